"""Where runs come together: in the session itself or, under pytest-xdist, in its controller.

```
worker:      run ──► attribute of the test's report ──┐
controller:                                           └──► runs ──┬──► reports, terminal summary
                                                                  └──► unfinished-*.jsonl, until these are written
```
What a worker must know comes down in `workerinput`: a random number, and the place where the workers find the servers
that they share. The controller ends those, when all workers have ended.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mqchaos import attempts

if TYPE_CHECKING:
    from pytest_mqchaos.report.unfinished import Unfinished
    from pytest_mqchaos.reports import Written

__all__ = ["Runs", "end_shared", "hand_down", "outcome", "shared_place", "worker_id"]

_PLACE = pytest.StashKey[str]()


def worker_id(config: pytest.Config) -> str:
    """Return the id of the xdist worker that this process is, or nothing."""
    return str(getattr(config, "workerinput", {}).get("workerid", ""))


def shared_place(config: pytest.Config) -> str:
    """Return the folder where this worker finds the servers of the session, or nothing if it is no worker."""
    return str(getattr(config, "workerinput", {}).get("mqchaos_place", ""))


def end_shared(config: pytest.Config) -> None:
    """End the servers that the workers shared, if there are any; the controller's to do."""
    folder = Path(config.stash.get(_PLACE, ""))
    if folder.name and folder.exists():
        from pytest_mqchaos.errors import ChaosError
        from pytest_mqchaos.servers.sharing import Place, end

        place = Place(folder)
        with suppress(ChaosError):  # what did not end in time, their guard ends
            end(place, force=True)
        place.remove()


def hand_down(config: pytest.Config, workerinput: dict[str, Any]) -> None:
    """Give a worker what the controller drew: where servers are shared, and the random number."""
    from pytest_mqchaos.errors import UsageError
    from pytest_mqchaos.options import setting
    from pytest_mqchaos.reproduce import base_seed

    if _PLACE not in config.stash:
        config.stash[_PLACE] = _new_place()
    workerinput["mqchaos_place"] = config.stash[_PLACE]
    try:
        if setting(config, "seed").value == "random":
            workerinput["mqchaos_seed"] = base_seed(config)
    except UsageError:
        return  # said by each chaos test, if there is one


def _new_place() -> str:
    """A name for a folder that is not made before a worker needs servers."""
    import tempfile

    from pytest_mqchaos.servers import new_run

    try:
        return str(Path(tempfile.gettempdir()).absolute() / f"mqchaos-{new_run()}")
    except OSError:
        return ""  # said by each chaos test, if there is one


def outcome(report: pytest.TestReport) -> str:
    """Return pytest's outcome of a test after this report: an attempt that is run again has failed."""
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    if report.failed:
        return "failed" if report.when == "call" else "error"
    return "failed" if report.outcome not in ("passed", "skipped") else report.outcome


class Runs:
    """The runs of a session, in the order in which they were reported."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._started = datetime.now().astimezone().isoformat(timespec="seconds")
        self._runs: dict[tuple[str, int], dict[str, Any]] = {}
        self._attempts = attempts.Attempts()
        self._servers: dict[str, dict[str, Any]] = {}
        self._skipped: dict[str, dict[str, Any]] = {}
        self._begun: dict[str, dict[str, Any]] = {}
        """Tests that run, by node id, as they are told if nothing more is heard of them."""
        self._crashes: dict[str, list[str]] = {}
        """Of tests whose worker died in them and that nothing was heard of: why, until they are run again."""
        self._places: dict[tuple[str, int], tuple[str, int]] = {}
        self._written: Written | None = None
        self._told = False
        """Whether the terminal was told what a machine reads there."""
        self._unfinished: Unfinished | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a run from the report it came with; a failing teardown changes its outcome."""
        crossing = getattr(report, "mqchaos", None)
        if crossing is not None:
            self._take(report, crossing)
        if report.outcome not in ("passed", "skipped") and report.when == "teardown":
            for run in [run for (nodeid, _), run in self._runs.items() if nodeid == report.nodeid][-1:]:
                run["outcome"] = "error"
                self._note({"outcome": [run["nodeid"], run["attempt"], "error"]})
        elif str(report.when) == "???":  # xdist says so of the test that its worker died in
            if report.nodeid in self._begun:
                self._lost(self._begun.pop(report.nodeid), str(report.longrepr))
            else:
                self._crashes.setdefault(report.nodeid, []).append(str(report.longrepr))

    def pytest_mqchaos_run_started(self, item: pytest.Item) -> None:
        """Note that a run begins: its reports may come late, and never if the process dies in it."""
        from pytest_mqchaos.crossing import begun
        from pytest_mqchaos.fixtures import trial

        if (here := trial(item)) is not None:
            self._begin(begun(item, here))

    def _take(self, report: pytest.TestReport, crossing: dict[str, Any]) -> None:
        if "skipped" in crossing:
            self._skipped[report.nodeid] = crossing["skipped"]
            self._note(crossing)
        else:
            for run in crossing.get("earlier", ()):
                self._add(run, crossing)
            if "begun" in crossing:
                self._begin(crossing)
            elif "run" in crossing:
                self._begun.pop(report.nodeid, None)
                self._servers.setdefault(crossing["worker"], crossing["servers"])
                self._add({**crossing["run"], "outcome": outcome(report)}, crossing)

    def _begin(self, crossing: dict[str, Any]) -> None:
        """Take a run that begins; and of the same test what died before anything was heard of it."""
        begun, worker = crossing["begun"], crossing["worker"]
        for number, why in enumerate(self._crashes.pop(begun["nodeid"], ())):
            self._lost(self._attempts.numbered(begun, f"died {number}"), why)
        run = self._attempts.numbered(begun, worker)
        if self._begun.get(run["nodeid"]) != run:
            self._begun[run["nodeid"]] = run
            self._note({"begun": run})

    def _add(self, run: dict[str, Any], crossing: dict[str, Any]) -> None:
        """Add a run that is not known yet: each attempt tells of those before it again."""
        worker = crossing["worker"]
        run = self._attempts.numbered(run, worker)
        key = run["nodeid"], run["attempt"]
        if key not in self._runs:
            self._runs[key] = run
            if "place" in crossing:
                self._places[key] = tuple(crossing["place"])
            self._note({"run": run, "servers": crossing["servers"], "worker": worker})

    def _lost(self, run: dict[str, Any], why: str) -> None:
        """Tell of a run whose worker died."""
        from pytest_mqchaos.model.printable import printable

        run["error"] = run["summary"] = printable(why.strip().partition("\n")[0], 400)
        self._runs[run["nodeid"], run["attempt"]] = run
        self._note({"run": run, "servers": {}, "worker": ""})

    def _note(self, entry: dict[str, Any]) -> None:
        """Keep an entry on disk until the reports are written: pytest may be killed before it comes to that."""
        if self._unfinished is None and "skipped" not in entry:  # a session that only skips writes nothing
            from pytest_mqchaos.reports import unfinished

            self._unfinished = unfinished(self._config, self._started, self._skipped.values())
        if self._unfinished is not None:
            self._unfinished.add(entry)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the report, if there is something to tell; fail a session whose reruns hide a broken promise."""
        hides = attempts.hidden(list(self._runs.values())) and not attempts.allowed(self._config)
        if hides and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if session.exitstatus == pytest.ExitCode.INTERRUPTED:
            self._take_what_was_cut_short()
        if self._runs:
            from pytest_mqchaos.reports import write_reports

            self._written = write_reports(
                self._config,
                list(self._runs.values()),
                list(self._skipped.values()),
                self._facts(),
                self._started,
            )
        if self._unfinished is not None and (not self._runs or (self._written and self._written.path)):
            self._unfinished.remove()

    def _take_what_was_cut_short(self) -> None:
        """Tell of the runs in flight when Ctrl-C came, with the account of the one that is this process's."""
        from pytest_mqchaos.fixtures import CUT_SHORT

        seen = self._config.stash.get(CUT_SHORT, None)
        for nodeid, run in list(self._begun.items()):
            known = seen if seen is not None and seen["nodeid"] == nodeid else {}
            self._lost({**run, **known, "attempt": run["attempt"]}, "interrupted before the run was settled")
        self._begun.clear()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the section *mqchaos*, if a chaos test ran."""
        if self._runs:
            self._summarize(terminalreporter)
            self._tell_machines(terminalreporter)

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """Say what a job's machine reads, and why it fails, where `--no-summary` left out all of the summary."""
        terminal = config.pluginmanager.get_plugin("terminalreporter")
        if self._runs and self._written is not None and not self._told and terminal is not None:
            self._tell_hidden(terminal)
            self._tell_machines(terminal)

    def _facts(self) -> dict[str, Any]:
        """Return the servers; with several workers the first one's, and those of each under `workers`."""
        from pytest_mqchaos.report.unfinished import servers_of

        return servers_of(self._servers)

    def _summarize(self, terminal: pytest.TerminalReporter) -> None:
        from pytest_mqchaos.model.printable import printable
        from pytest_mqchaos.report.terminal import summary_lines

        terminal.write_sep("=", "mqchaos")
        description = self._facts().get("description")
        if description:
            terminal.write_line(f"{printable(description)}{self._and_others()}")
        width = self._config.get_terminal_writer().fullwidth
        for line, markup in summary_lines(list(self._runs.values()), self._shown_path(), width):
            terminal.write_line(line, **markup)
        self._tell_hidden(terminal)
        for trouble in () if self._written is None else self._written.troubles:
            terminal.write_line(printable(trouble), red=True)

    def _tell_hidden(self, terminal: pytest.TerminalReporter) -> None:
        """Say which test broke its promise before it passed, and what that makes of the session."""
        found = attempts.hidden(list(self._runs.values()))
        if found:
            from pytest_mqchaos.report.terminal import hidden_lines

            width = self._config.get_terminal_writer().fullwidth
            for line, markup in hidden_lines(found, attempts.allowed(self._config), width):
                terminal.write_line(line, **markup)

    def _tell_machines(self, terminal: pytest.TerminalReporter) -> None:
        self._told = True
        if self._places and self._written is not None and self._written.document is not None:
            from pytest_mqchaos.report.annotations import annotated

            for line in annotated(self._written.document, self._places):
                terminal.write_line(line)

    def _and_others(self) -> str:
        """In words, how the servers that are named relate to those of the other workers."""
        named = self._facts().get("description")
        users = sum(each.get("description") == named for each in self._servers.values())
        others = len({str(each.get("description")) for each in self._servers.values()}) - 1
        return (f", shared by {users} workers" if users > 1 else "") + (
            f"; {others} more of a worker's own" if others else ""
        )

    def _shown_path(self) -> Path | None:
        here = self._config.invocation_params.dir
        path = None if self._written is None else self._written.path
        return path.relative_to(here) if path is not None and path.is_relative_to(here) else path
