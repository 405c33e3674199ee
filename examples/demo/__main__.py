"""`python -m examples.demo`: real consumers lose, double and strand messages, and correct ones pass.

The tests of `scenes.py` run in one pytest session, and each run is shown as it ends. Then the report is read, and
each verdict in it compared with the one expected; the exit code is 0 exactly when all of them agree.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import redirect_stdout
from difflib import unified_diff
from pathlib import Path
from typing import Any, TextIO

import pytest
from examples.demo.scenes import ORDERS, mended
from pytest_mqchaos import Account

SCENES = "examples/demo/scenes.py"
REPORT = Path(os.environ.get("PYTEST_MQCHAOS_REPORT", "mqchaos-report"))

CRASH = "consumer_crash-after-ack-17"
SHOWN = f"test_ack_first[{CRASH}]"
"""The failing run that is shown in full, and run once more."""

EXPECTED = {
    "test_worker[baseline]": "pass",
    "test_worker[connection_drop-after-delivery-17]": "pass",
    "test_worker[refuse-after-delivery-17]": "pass",
    "test_worker[consumer_crash-before-ack-17]": "pass",
    "test_worker[lost_ack-before-ack-17]": "pass",
    "test_worker[broker_restart-after-ack-17]": "pass",
    "test_worker[malformed_payload]": "pass",
    "test_ack_first[baseline]": "pass, acked_before_effect",
    SHOWN: "fail: lost",
    f"test_ack_first_mended[{CRASH}]": "pass",
    "test_auto_ack[crash-at-most-once]": "pass",
    "test_auto_ack[crash-at-least-once]": "fail: lost",
    "test_not_idempotent[lost_ack-at-least-once]": "pass",
    "test_not_idempotent[lost_ack-exactly-once]": "fail: duplicated",
    "test_reconnects_idle[connection_drop-after-delivery-17]": "fail: stalled",
    "test_acks_poison[malformed_payload]": "fail: dead_letter_miss",
    "test_requeues_poison[malformed_payload]": "fail: requeue_storm",
}
"""The verdict of each run and a reason; after a comma the hazard that must be named though nothing broke."""

WIDTHS = (17, 13, 35, 25)


class Live:
    """A pytest plugin that writes one row of the table for each run as it ends."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.accounts: dict[str, Account] = {}
        self.trouble: list[str] = []
        self._session: Any = None

    @pytest.hookimpl(wrapper=True)
    def pytest_mqchaos_session(self) -> Generator[None, Any, Any]:
        """Remember the session, which knows its servers once they run."""
        self._session = yield
        return self._session

    def pytest_mqchaos_run_started(self) -> None:
        """Say what runs, and begin the table, before the first row."""
        if self._session is not None:
            print(f"{self._session.description}\n", file=self.out)
            self._row("consumer", "promise", "fault", "expected", "found")
            self._session = None

    def pytest_mqchaos_run_finished(self, item: pytest.Item, account: Account) -> None:
        """Write the row of a run."""
        self.accounts[item.name] = account
        consumer = item.name.partition("[")[0].removeprefix("test_").replace("_mended", ", mended")
        fault = ", ".join(each.description for each in account.faults) or "nothing"
        found = account.verdict if account.verdict == "pass" else f"{account.verdict}: {account.summary}"
        if account.hazards and account.verdict == "pass":
            found += f", hazard: {', '.join(each.kind for each in account.hazards)}"
        self._row(consumer, account.guarantee, fault, EXPECTED.get(item.name, "?"), found)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what is no verdict: no server, an error of the test itself."""
        if report.skipped or (report.failed and report.nodeid.rpartition("::")[2] not in self.accounts):
            why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
            self.trouble.append(why)

    def _row(self, *cells: str) -> None:
        *fixed, last = cells
        row = " ".join(f"{cell:<{width}}" for cell, width in zip(fixed, WIDTHS, strict=True))
        print(f"{row} {last}", file=self.out, flush=True)


def as_expected(name: str, run: Mapping[str, Any]) -> bool:
    """Return whether a run has the verdict expected of it, for the reason expected."""
    expected, _, hazard = EXPECTED.get(name, "").partition(", ")
    verdict, _, reason = expected.partition(": ")
    reasons = [each["kind"] for each in run["findings"] if each["violation"] and not each["unknown"]]
    hazards = [each["kind"] for each in run["hazards"]]
    return (
        verdict == run["verdict"] and (not reason or reason in reasons) and (not hazard or hazard in hazards)
    )


def runs_of(path: Path) -> dict[str, Mapping[str, Any]]:
    """Return the runs of a report by the names of their tests."""
    document = json.loads((path / "report.json").read_text())
    return {run["nodeid"].rpartition("::")[2]: run for run in document["runs"]}


def surprises(runs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a line for each run that is not as expected."""
    missing = [f"{name}: did not run" for name in EXPECTED if name not in runs]
    return missing + [
        f"{name}: expected {EXPECTED.get(name)}, found {run['verdict']}: {run['summary']}"
        for name, run in runs.items()
        if not as_expected(name, run)
    ]


def lost_numbers(run: Mapping[str, Any]) -> list[int]:
    """Return the numbers of the messages that the run lost: ids end with them."""
    ids = [each for finding in run["findings"] if finding["kind"] == "lost" for each in finding["messages"]]
    return [int(each.rpartition("-")[2]) for each in ids]


def again(run: Mapping[str, Any]) -> bool:
    """Run the command that a report gives to repeat a run, and show whether it loses the same messages."""
    report = REPORT / "again"
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTEST_MQCHAOS_REPORT": str(report),
    }
    print(f"$ {run['reproduce']}", flush=True)
    (report / "report.json").unlink(missing_ok=True)
    done = subprocess.run(
        shlex.split(run["reproduce"]), env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    try:
        repeated = runs_of(report)[SHOWN]
    except (OSError, KeyError):
        print(done.stdout)
        return False
    for name, each in (("then", run), ("again", repeated)):
        fault = each["faults"][0]
        print(f"  {name:<6} {fault['description']} struck at {fault['message']}; lost: {lost_numbers(each)}")
    return lost_numbers(repeated) == lost_numbers(run) != []


def main() -> int:
    """Run the scenes, tell what was found, and return the exit code."""
    started = time.monotonic()
    (REPORT / "report.json").unlink(missing_ok=True)
    live, log = Live(sys.stdout), io.StringIO()
    with redirect_stdout(log):
        pytest.main([SCENES, "--capture=no", "-p", "no:cacheprovider"], plugins=[live])
    try:
        runs = runs_of(REPORT)
    except OSError:
        print(*dict.fromkeys(live.trouble) or [log.getvalue()], sep="\n")
        return 1

    print(f"\n{SHOWN} in full:\n")
    if SHOWN in live.accounts:
        print(live.accounts[SHOWN].text(summary=True))
    print("\nIts one-line mend, as it ran above:\n")
    script = (ORDERS / "wrong" / "ack_first.py").read_text()
    diff = unified_diff(script.splitlines(), mended(script).splitlines(), n=1, lineterm="")
    print("\n".join(list(diff)[3:]))
    print(f"\nAll verdicts as they came: {REPORT / 'report.json'}\n")

    lines = [*dict.fromkeys(live.trouble), *surprises(runs)]
    if SHOWN in runs and not again(runs[SHOWN]):
        lines.append(f"{SHOWN}: run again, it did not lose the same messages")
    kept, seconds = sum(as_expected(name, run) for name, run in runs.items()), time.monotonic() - started
    print(f"\n{kept} of {len(EXPECTED)} runs as expected, in {seconds:.0f} s", *lines, sep="\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
