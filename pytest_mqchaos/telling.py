"""What a report of pytest tells of a chaos test: its failure in one line, its sections, its status, its comparisons.

```
call ends ──► our frames are cut ──► pytest's report ──► + sections: account, faults, consumers' output, kept
                                                         + what crosses to where the session's reports are written
```
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import Any

import pytest

from pytest_mqchaos.admission import note_baseline, without_canary
from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.failures import DeliveryError, Refused, shown
from pytest_mqchaos.fixtures import Trial, forget, trial
from pytest_mqchaos.frames import cut

__all__ = ["CROSSING", "around_report", "compare", "status"]

CROSSING = "mqchaos"
"""The attribute of a report under which a run crosses to where the report is written."""


def around_report(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Take our frames out of what is reported, and add what we know of the run."""
    if call.excinfo is not None:
        if call.when == "setup":  # a producer that a fixture starts has no canary either
            call.excinfo = without_canary(item, call.excinfo)
        call.excinfo = cut(call.excinfo)
    report = yield
    here = trial(item)
    if call.excinfo is not None:
        _message_alone(item, call.excinfo.value, report)
    if here is None:
        _pass_over(item, report)
    else:
        _annotate(item, report, here)
        note_baseline(item, report)
        if call.when == "teardown":
            forget(item)
    return report


def _message_alone(item: pytest.Item, error: BaseException, report: pytest.TestReport) -> None:
    """Let the summary line show what happened, and not the name of an exception or a line of ours."""
    crash: Any = getattr(report.longrepr, "reprcrash", None)
    if crash is None or not isinstance(error, ChaosError | DeliveryError | Refused):
        return
    crash.message = str(error).partition("\n")[0]
    here = trial(item)
    if isinstance(error, Refused) or (here is not None and here.concluded):
        path, line, _ = item.location
        crash.path, crash.lineno = path, (line or 0) + 1


def _annotate(item: pytest.Item, report: pytest.TestReport, here: Trial) -> None:
    if report.failed:
        if here.snapshot and report.when == "call":
            report.sections.append((CROSSING, here.snapshot))
        report.sections.extend((title, _printable(text)) for title, text in _sections(here))
        if report.when != "teardown":
            from pytest_mqchaos.kept import keep_failed

            report.sections.append(("kept", keep_failed(item, here)))
    if report.when == "call" or (report.when == "setup" and not report.passed):
        from pytest_mqchaos.crossing import crossing

        setattr(report, CROSSING, crossing(item, report, here))
    elif report.when == "setup":
        from pytest_mqchaos.crossing import begun

        setattr(report, CROSSING, begun(item, here))
    else:
        from pytest_mqchaos.crossing import untold

        if told := untold(item, here):
            setattr(report, CROSSING, told)


def _pass_over(item: pytest.Item, report: pytest.TestReport) -> None:
    """Tell of a chaos test that was skipped before its run began."""
    if report.skipped and item.get_closest_marker("chaos") is not None:
        from pytest_mqchaos.crossing import passed_over

        if (told := passed_over(item, report)) is not None:
            setattr(report, CROSSING, told)


def _sections(here: Trial) -> list[tuple[str, str]]:
    try:
        return here.chaos.sections()
    except Exception as trouble:  # a report is never lost for want of its ornaments
        return [("mqchaos sections", f"could not be read: {trouble!r}")]


def _printable(text: str) -> str:
    return "".join(
        c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in shown(text).replace("\r\n", "\n")
    )


def status(report: pytest.TestReport) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """Return the status `unknown` for a passed test whose verdict is unknown."""
    crossing = getattr(report, CROSSING, None)
    if crossing and crossing.get("unknown") and report.passed and not hasattr(report, "wasxfail"):
        return "unknown", "?", ("UNKNOWN", {"yellow": True})
    return None


def compare(op: str, left: object, right: object) -> list[str] | None:
    """Return what a failed comparison of an account's messages shows: both sides, and the first lives."""
    if "pytest_mqchaos.model.sequences" not in sys.modules:
        return None  # no account was made, so neither side is of one
    from pytest_mqchaos.report.compare import comparison

    return comparison(op, left, right)
