"""The verdict on a test: given in its call phase, after its function, and told in its report.

```
function ends well  ──► conclude ──► account.failed ──► DeliveryError         FAILED - lost: 1 of 200 messages
function fails      ──► snapshot ──► section `mqchaos`                        its own failure stands
skip, exit          ──► nothing is judged
Ctrl-C              ──► what is known is kept for the report, and nobody is asked
```
`DeliveryError` stands here, not in `errors`, because it is a failure of pytest's as well as an `AssertionError`.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import AbstractContextManager, nullcontext
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mqchaos.errors import ChaosError, NoCanary
from pytest_mqchaos.fixtures import (
    CUT_SHORT,
    SCREEN,
    Failed,
    Refused,
    Trial,
    forget,
    ground,
    live,
    refuse,
    shown,
    trial,
)

if TYPE_CHECKING:
    from pytest_mqchaos.model.account import Account

__all__ = [
    "CROSSING",
    "DeliveryError",
    "admit",
    "around_call",
    "around_report",
    "compare",
    "status",
]

CROSSING = "mqchaos"
"""The attribute of a report under which a run crosses to where the report is written."""


class DeliveryError(AssertionError, Failed):
    """The guarantee was not kept. Its text is the account's: one line, then the lives of the messages.

    `xfail(raises=AssertionError)` takes it, and pytest shows it without frames.
    """

    def __init__(self, account: Account) -> None:
        Failed.__init__(self, shown(account.text(summary=True)), pytrace=False)
        self.account = account


def around_call(item: pytest.Item) -> Generator[None, object, object]:
    """Run the test, then judge it; or, after its own failure, look once."""
    with _live(item):
        try:
            result = yield
        except BaseException as error:
            if _sees_the_canary(item, error):
                return None
            _skip_an_added_canary(item, error)
            _after(item, error)
            raise
        # unittest keeps what a method raised to itself until the report is made
        raised = getattr(item, "_excinfo", None)
        if raised:
            _skip_an_added_canary(item, raised[0].value)
            raised[:] = [_cut(each) for each in raised]
            _after(item, raised[0].value)
        else:
            _conclude_or_cut(item)
    return result


def _conclude_or_cut(item: pytest.Item) -> None:
    try:
        _conclude(item)
    except KeyboardInterrupt:  # a run that does not settle is where it comes
        if (here := trial(item)) is not None:
            _cut_short(item, here)
        raise


def _sees_the_canary(item: pytest.Item, error: BaseException) -> bool:
    """Whether an assertion of the test's own failed at what the canary planted, and the account found that."""
    here = trial(item)
    if here is None or not isinstance(error, AssertionError) or isinstance(error, DeliveryError):
        return False
    from pytest_mqchaos.markers import is_canary

    if not is_canary(here.settings.scenario):
        return False
    here.chaos.note("an assertion of the test's own failed: it sees what the canary planted, too")
    try:
        _conclude(item)
    except Refused:  # there is nothing to judge: its own failure stands
        here.concluded = False
        return False
    return True


def _skip_an_added_canary(item: pytest.Item, error: BaseException) -> None:
    """Skip a canary that an option added to a test which cannot have one; where its mark names it, that is an error."""
    from pytest_mqchaos.markers import planned

    if isinstance(error, NoCanary) and planned(item).added:
        raise pytest.skip.Exception(shown(str(error)), _use_item_location=True) from None


def _without_canary(
    item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException]
) -> pytest.ExceptionInfo[BaseException]:
    try:
        _skip_an_added_canary(item, excinfo.value)
    except pytest.skip.Exception as skipped:
        return pytest.ExceptionInfo.from_exception(skipped)
    return excinfo


def _live(item: pytest.Item) -> AbstractContextManager[None]:
    """Show how far the test's run is, where there is a terminal to show it on."""
    here = trial(item)
    if here is None or SCREEN not in item.config.stash:
        return nullcontext()
    from pytest_mqchaos.report.live import live_line

    chaos = here.chaos
    return live(item.config, lambda width: live_line(chaos.glance(), width))


def _conclude(item: pytest.Item) -> None:
    here = trial(item)
    if here is None:
        return
    here.concluded = True
    try:
        here.account = account = here.chaos.conclude()
    except ChaosError as error:
        if here.chaos.spoiled:
            _look(item, here)
        refuse(str(error))
    item.ihook.pytest_mqchaos_run_finished(item=item, account=account)
    failed = item.ihook.pytest_mqchaos_verdict(item=item, account=account)
    if account.failed if failed is None else failed:
        here.condemned = True
        raise DeliveryError(account)


def _after(item: pytest.Item, error: BaseException) -> None:
    """Look at a test that did not reach its end: not at all where it was left on purpose."""
    here = trial(item)
    if here is not None and isinstance(error, KeyboardInterrupt):
        _cut_short(item, here)
    if here is None or isinstance(error, _left_on_purpose()):
        return
    if isinstance(error, DeliveryError):
        here.account = error.account
        item.ihook.pytest_mqchaos_run_finished(item=item, account=here.account)
    else:
        _look(item, here)


def _look(item: pytest.Item, here: Trial) -> None:
    """Take the account of a run as it stands."""
    try:
        here.account = here.chaos.snapshot()
    except Exception as trouble:  # the failure stands, whatever becomes of the look
        here.snapshot = shown(f"no account: {trouble}")
        return
    if here.account is not None:
        here.snapshot = shown(here.account.text(summary=True))
        item.ihook.pytest_mqchaos_run_finished(item=item, account=here.account)


def _cut_short(item: pytest.Item, here: Trial) -> None:
    """Keep what is known of a run that Ctrl-C ends: no report of it comes."""
    from pytest_mqchaos.crossing import run_of

    error = "interrupted before the run was settled"
    try:
        here.account = here.chaos.snapshot(ask=False)
        run = run_of(item, here, outcome="error", error=error)
        item.config.stash[CUT_SHORT] = {
            **run,
            "verdict": None,
        }  # it is no pass that nothing was found until then
    except (
        Exception
    ):  # the interruption stands, whatever becomes of the look: the run is told without an account
        here.account = None


def _left_on_purpose() -> tuple[type[BaseException], ...]:
    unittest = sys.modules.get("unittest")
    own = (
        pytest.skip.Exception,
        pytest.xfail.Exception,
        pytest.exit.Exception,
        KeyboardInterrupt,
        GeneratorExit,
    )
    return own if unittest is None else (*own, unittest.SkipTest)


def admit(item: pytest.Item) -> None:
    """Let a test that is marked `chaos` come to its set-up, or say in one line why not.

    A wrong mark fails; a scenario of the standard battery whose baseline failed, or that is left out, is skipped.
    """
    from pytest_mqchaos.markers import check

    try:
        check(item)
        reason = _battery_reason(item)
    except ChaosError as error:
        refuse(str(error))
    if reason is not None:
        raise pytest.skip.Exception(shown(reason), _use_item_location=True)


def _battery_reason(item: pytest.Item) -> str | None:
    """Return why the item does not run: its battery's baseline failed, or the session takes but a part of it."""
    from pytest_mqchaos.markers import FIXTURE, battery_key, left_out, planned

    if FIXTURE not in getattr(item, "fixturenames", ()):
        return None
    scenario = planned(item)
    if not scenario.battery or scenario.id == "baseline":
        return None
    why = ground(item.config).failed.get(battery_key(item, scenario))
    return left_out(item.config, scenario) if why is None else f"the baseline failed: {why}"


def around_report(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Take our frames out of what is reported, and add what we know of the run."""
    if call.excinfo is not None:
        if call.when == "setup":  # a producer that a fixture starts has no canary either
            call.excinfo = _without_canary(item, call.excinfo)
        call.excinfo = _cut(call.excinfo)
    report = yield
    here = trial(item)
    if call.excinfo is not None:
        _message_alone(item, call.excinfo.value, report)
    if here is None:
        _pass_over(item, report)
    else:
        _annotate(item, report, here)
        _note_baseline(item, report)
        if call.when == "teardown":
            forget(item)
    return report


def _cut(excinfo: pytest.ExceptionInfo[BaseException]) -> pytest.ExceptionInfo[BaseException]:
    """Cut the traceback of an error of ours where the user called us; the frames of this layer go as well."""
    error = excinfo.value
    if not isinstance(error, ChaosError | DeliveryError):
        return excinfo
    error.__cause__, error.__suppress_context__ = None, True
    entries: list[tuple[FrameType, int, int]] = []
    entry: TracebackType | None = excinfo.tb
    while entry is not None and not _is_inside(entry.tb_frame):
        if not _is_ours(entry.tb_frame):
            entries.append((entry.tb_frame, entry.tb_lasti, entry.tb_lineno))
        entry = entry.tb_next
    rest: TracebackType | None = None
    for frame, lasti, line in reversed(entries):
        rest = TracebackType(rest, frame, lasti, line)
    return excinfo if rest is None else pytest.ExceptionInfo.from_exception(error.with_traceback(rest))


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == __package__


def _is_inside(frame: FrameType) -> bool:
    """Whether the frame is ours and not of this layer, whose modules stand at the top of the package."""
    return _is_ours(frame) and frame.f_globals["__name__"].count(".") > 1


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


def _note_baseline(item: pytest.Item, report: pytest.TestReport) -> None:
    from pytest_mqchaos.markers import battery_key, planned

    scenario = planned(item)
    if not scenario.battery or scenario.id != "baseline":
        return
    failed, key = ground(item.config).failed, battery_key(item, scenario)
    if report.failed:
        from pytest_mqchaos.crossing import first_line

        failed[key] = first_line(report)
    elif report.when == "call":
        failed.pop(key, None)


def status(report: pytest.TestReport) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """Return the status `unknown` for a passed test whose verdict is unknown."""
    crossing = getattr(report, CROSSING, None)
    if crossing and crossing.get("unknown") and report.passed and not hasattr(report, "wasxfail"):
        return "unknown", "?", ("UNKNOWN", {"yellow": True})
    return None


def compare(op: str, left: object, right: object) -> list[str] | None:
    """Return what a failed comparison of an account's messages shows: both sides, and the first lives."""
    sequences = sys.modules.get("pytest_mqchaos.model.sequences")
    if sequences is None:
        return None
    sides = [side for side in (left, right) if isinstance(side, sequences.Messages)]
    if not sides:
        return None
    lives = [line for side in sides for life in side[: sequences.SHOWN] for line in str(life).splitlines()]
    return [f"{_short(left)} {op} {_short(right)}", *lives]


def _short(side: object) -> str:
    text = repr(side)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


_LONGEST = 400
