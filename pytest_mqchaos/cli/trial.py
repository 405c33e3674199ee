"""The session of pytest that `try` runs: one test file in a folder of its own, and nothing of the project's around it.

The folder is the guard's to remove however this process ends. The project's configuration, `conftest.py` and cache are
left out; the environment counts. What repeats a failing test is `try` itself: its file does not stay.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Generator, Sequence
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from pytest_mqchaos.cli.testfile import Plan, stem
from pytest_mqchaos.cli.wording import reword, reword_told
from pytest_mqchaos.crossing import first_line
from pytest_mqchaos.errors import ChaosError, NotReady
from pytest_mqchaos.fixtures import trial
from pytest_mqchaos.model.account import Account
from pytest_mqchaos.model.printable import masked
from pytest_mqchaos.model.sequences import plural
from pytest_mqchaos.options import TRIED
from pytest_mqchaos.reproduce import COMMAND
from pytest_mqchaos.servers.guard import Guard, new_run

__all__ = ["Trial", "repeated"]

_PATHS = ("report", "report_md", "report_junit")
_OUR_OWN = ("--scenario", "--write", "--seed", "--mqchaos-seed")
_ADDRESSES = {
    flag: option
    for option in TRIED
    if option.secret
    for flag in (option.flag, option.flag.replace("mqchaos-", "", 1))
}
_UNTRIED = 3
_PLAIN = ("-q", "-rN", "--disable-plugin-autoload", "-p", "pytest_mqchaos.plugin", "-p", "no:cacheprovider",
          "--import-mode=importlib")  # fmt: skip
"""No other plugin, so that nothing shuffles, repeats or shares out what is tried; and the folder of the file is on no
path of modules: kept servers have that in their environment, and what names the folder there goes with it."""
_BASELINE = "the baseline failed"
_COLOURS = {"failed": {"red": True}, "skipped": {"yellow": True}}
_SHOW = (
    "the broker's view: an acknowledged message counts as worked on. To see the work itself: --effects FILE (an id or\n"
    "key of a message a line), --effects-output REGEX (in what it prints); by itself it is seen where ids or keys are\n"
    "appended to $MQCHAOS_EFFECTS, or by probe.effect(id) in Python"
)
_START = (
    "a consumer that takes its broker from elsewhere gets it by --env NAME={url}; a queue that it does not declare\n"
    "comes by --declare, or by --definitions FILE"
)
_MENDS = (
    "of what a mend says, allow= is --allow here, and restart= is --restart; --write PATH makes it a test"
)


class Trial:
    """One session, and what is heard of it as its plugin."""

    def __init__(self, plan: Plan, source: str, arguments: argparse.Namespace, written: Path | None) -> None:
        self._plan, self._source, self._written = plan, source, written
        self._options: dict[str, Any] = vars(arguments)
        self._words: Sequence[str] = arguments.words
        self._scenarios = dict(
            zip((one.scenario.id for one in plan.scenarios), arguments.scenario, strict=True)
        )
        self._account: Account | None = None
        self._judged: list[Account] = []
        self._unready = False
        self._read: list[str] = []
        """The queues that the consumer of the last scenario reads, where that is to be told."""
        self._skipped = ""
        self._terminated = False

    def run(self) -> int:
        """Run the session and return the exit status of `try`."""
        before = signal.signal(signal.SIGTERM, self._end)
        try:
            return self._guarded()
        except (ChaosError, OSError) as error:  # no guard, or no place for a temporary file
            print(f"try: {error}", file=sys.stderr)
            return _UNTRIED
        except KeyboardInterrupt:
            return self._interrupted()
        finally:
            signal.signal(signal.SIGTERM, before)

    def _guarded(self) -> int:
        run = new_run()
        folder = Path(tempfile.gettempdir()).absolute() / f"mqchaos-{run}"
        guard = Guard.arm(run)
        try:
            guard.folder(folder)
            folder.mkdir(mode=0o700)
            path = folder / f"test_{stem(self._plan)}.py"
            path.write_text(self._source, encoding="utf-8")
            (folder / "pytest.ini").write_text("[pytest]\n")
            self._begin()
            for theirs in (
                "PYTEST_ADDOPTS",
                "PYTEST_MQCHAOS_SCENARIO",
            ):  # for a project's own tests and its plugins
                os.environ.pop(theirs, None)
            return self._status(int(pytest.main(self._line(path), plugins=[self])))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            guard.end()

    def _line(self, path: Path) -> list[str]:
        """The command line of pytest: our options as they were given, files relative to where we are."""
        words = [*_PLAIN, "-c", str(path.parent / "pytest.ini")]
        for option in TRIED:
            value = self._options[option.key]
            if option.name in _PATHS:
                value = value or os.environ.get(option.variable) or str(option.default)
                value = value and Path(value).expanduser().absolute()
            if isinstance(value, bool):
                words.append(option.flag if value else option.flag.replace("--", "--no-", 1))
            elif value:
                words.append(f"{option.flag}={value}")
        return [*words, str(path)]

    def _begin(self) -> None:
        """Say what was understood, above all where it was guessed."""
        plan, example = self._plan, self._plan.example
        said = f"{plural(plan.count, 'message')} to {plan.stage}"
        if example is not None:
            said += f" like {example.source}"
        if plan.key is not None:
            guess = ", guessed: --key FIELD names another" if example is not None and example.guessed else ""
            said += f", each with a key of its own (`{plan.key}`{guess})"
        elif plan.shows:
            said += (
                "; without --key FIELD effects name a message by its id (header x-mqchaos-id, or message_id)"
            )
        print(masked(f"{plan.command}: {said}"), flush=True)

    def _status(self, status: int) -> int:
        """Return the exit status, and say what the account of a single test does not."""
        if status == pytest.ExitCode.INTERRUPTED:
            return self._interrupted()
        broken = [account for account in self._judged if account.failed]
        hints = (
            (any(account.evidence_view for account in self._judged), _SHOW),
            (broken, _MENDS),
            (self._unready, _START),
        )
        for wanted, hint in hints:
            if wanted:
                print(hint)
        if self._written is not None:
            print(f"written: {self._written}; run it by: pytest {shlex.quote(str(self._written))}")
        if status == pytest.ExitCode.TESTS_FAILED:
            return 1 if any(account.verdict == "fail" for account in broken) else _UNTRIED
        if status == pytest.ExitCode.OK and not self._judged:
            print(f"nothing was tried: {self._skipped or 'every scenario was skipped'}", file=sys.stderr)
            return _UNTRIED
        return status

    def _interrupted(self) -> int:
        return 128 + (signal.SIGTERM if self._terminated else signal.SIGINT)

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        """Take SIGTERM as Ctrl-C, so that all that was started is ended in order."""
        self._terminated = True
        raise KeyboardInterrupt

    # --- what pytest tells ----------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Let failing tests name the command that repeats them."""
        config.stash[COMMAND] = self.again
        self._plugins = config.pluginmanager

    @pytest.hookimpl(optionalhook=True)
    def pytest_mqchaos_run_finished(self, account: Account) -> None:
        """Keep the account of a scenario."""
        self._account = account

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(self) -> Generator[None, tuple[str, Any, Any], tuple[str, str, str]]:
        """Print no letter: there is a line."""
        category, _, _ = yield
        return category, "", ""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, None, None]:
        """Say how a scenario went, as soon as that is known; before that, let all who hear of it hear our words."""
        reword_told(report, self._read)
        yield
        if report.when != "call" and report.passed:
            return
        name = report.nodeid.partition("[")[2].removesuffix("]")
        reporter: Any = self._plugins.get_plugin("terminalreporter")
        reporter.ensure_newline()
        reporter.write_line(f"{name}: {self._outcome(report)}", **_COLOURS.get(report.outcome, {}))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Say what could not be tried in one line, in the words of the command line."""
        here = trial(item)
        report = yield
        if report.failed and call.excinfo is not None and here is not None:
            self._read = reword(report, call.excinfo.value, lambda: here.chaos.history)
        return report

    @pytest.hookimpl
    def pytest_exception_interact(self, call: pytest.CallInfo[None]) -> None:
        """Take down that a consumer was not ready: only then its address, or its queue, may be what it lacks."""
        self._unready = self._unready or (call.excinfo is not None and call.excinfo.errisinstance(NotReady))

    def _outcome(self, report: pytest.TestReport) -> str:
        account, self._account = self._account, None
        if isinstance(report.longrepr, tuple):
            why = report.longrepr[2].removeprefix("Skipped: ")
            self._skipped = self._skipped or why
            if why.startswith(_BASELINE):  # what it failed with stands in its own line
                why = _BASELINE
            return f"skipped: {why}"
        said = first_line(report) if report.failed else ""
        # after an error of the test's own there is an account, too, and it is no verdict
        if account is None or (said and said != masked(account.summary)):
            return f"not tried: {said}"
        self._judged.append(account)
        return f"{account.summary} ({report.duration:.1f} s)"

    def again(self, nodeid: str, number: int) -> str:
        """Return the command that repeats one scenario: the words that were given, its own `--scenario`, the seed."""
        name = nodeid.partition("[")[2].removesuffix("]")
        return repeated(self._words, self._scenarios.get(name, name), number)


def repeated(words: Sequence[str], scenario: str, number: int) -> str:
    """Return a command line of `try` with another scenario and seed, and nothing to write.

    Args:
        words: those behind `python -m pytest_mqchaos`.
        scenario: the one to be repeated.
        number: the session's seed.
    """
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        flag, given, value = word.partition("=")
        if flag in _OUR_OWN:
            if not given:
                next(rest, None)
        elif flag in _ADDRESSES and given:
            kept.append(f"{flag}={_ADDRESSES[flag].shown(value)}")
        elif flag in _ADDRESSES:
            kept += [flag, *(_ADDRESSES[flag].shown(value) for value in islice(rest, 1))]
        else:
            kept.append(masked(word))
    return shlex.join(["python", "-m", "pytest_mqchaos", *kept, "--scenario", scenario, f"--seed={number}"])
