"""Where runs come together: in the session itself or, under pytest-xdist, in its controller.

```
worker:      run ──► attribute of the test's report ──┐
controller:                                           └──► runs ──┬──► reports, terminal summary
                                                                  └──► unfinished-*.jsonl, until these are written
```
Each worker has servers of its own. What a worker must know comes down in `workerinput`.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_mqchaos.report.unfinished import Unfinished
    from pytest_mqchaos.reports import Written

__all__ = ["Runs", "hand_down", "outcome", "worker_id"]


def worker_id(config: pytest.Config) -> str:
    """Return the id of the xdist worker that this process is, or nothing."""
    return str(getattr(config, "workerinput", {}).get("workerid", ""))


def hand_down(config: pytest.Config, workerinput: dict[str, Any]) -> None:
    """Give a worker the random number that the controller drew."""
    from pytest_mqchaos.errors import UsageError
    from pytest_mqchaos.options import setting
    from pytest_mqchaos.reproduce import base_seed

    try:
        if setting(config, "seed").value == "random":
            workerinput["mqchaos_seed"] = base_seed(config)
    except UsageError:
        return  # said by each chaos test, if there is one


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
        self._servers: dict[str, dict[str, Any]] = {}
        self._skipped: dict[str, dict[str, Any]] = {}
        self._begun: dict[str, dict[str, Any]] = {}
        """Tests that run, by node id, as they are told if nothing more is heard of them."""
        self._places: dict[tuple[str, int], tuple[str, int]] = {}
        self._written: Written | None = None
        self._unfinished: Unfinished | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a run from the report it came with; a failing teardown changes its outcome."""
        crossing = getattr(report, "mqchaos", None)
        if crossing is not None:
            self._take(report, crossing)
        elif report.failed and report.when == "teardown":
            for run in [run for (nodeid, _), run in self._runs.items() if nodeid == report.nodeid][-1:]:
                run["outcome"] = "error"
                self._note({"outcome": [run["nodeid"], run["attempt"], "error"]})
        elif report.failed and report.nodeid in self._begun:
            # xdist says so of the test that its worker died in
            self._lost(self._begun.pop(report.nodeid), str(report.longrepr))

    def _take(self, report: pytest.TestReport, crossing: dict[str, Any]) -> None:
        if "skipped" in crossing:
            self._skipped[report.nodeid] = crossing["skipped"]
        elif "begun" in crossing:
            self._begun[report.nodeid] = crossing["begun"]
        else:
            run = crossing["run"]
            run["outcome"] = outcome(report)
            self._begun.pop(report.nodeid, None)
            self._runs[run["nodeid"], run["attempt"]] = run
            self._servers.setdefault(crossing["worker"], crossing["servers"])
            if "place" in crossing:
                self._places[run["nodeid"], run["attempt"]] = tuple(crossing.pop("place"))
        self._note(crossing)

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
    def pytest_sessionfinish(self) -> None:
        """Write the report, if there is something to tell."""
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

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the section *mqchaos*, if a chaos test ran."""
        if self._runs:
            self._summarize(terminalreporter)

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
            workers = len(self._servers)
            said = printable(description)
            terminal.write_line(said if workers == 1 else f"{said}; one of {workers} such")
        width = self._config.get_terminal_writer().fullwidth
        for line, markup in summary_lines(list(self._runs.values()), self._shown_path(), width):
            terminal.write_line(line, **markup)
        for trouble in () if self._written is None else self._written.troubles:
            terminal.write_line(printable(trouble), red=True)
        if self._places and self._written is not None and self._written.document is not None:
            from pytest_mqchaos.report.annotations import annotated

            for line in annotated(self._written.document, self._places):
                terminal.write_line(line)

    def _shown_path(self) -> Path | None:
        here = self._config.invocation_params.dir
        path = None if self._written is None else self._written.path
        return path.relative_to(here) if path is not None and path.is_relative_to(here) else path
