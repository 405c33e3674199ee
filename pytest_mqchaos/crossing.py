"""What crosses with a test's report to where the session's reports are written: plain values only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mqchaos.attempts import earlier, keep, leave
from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.fixtures import Trial, ground
from pytest_mqchaos.options import setting
from pytest_mqchaos.xdist import outcome

if TYPE_CHECKING:
    from pytest_mqchaos.experiment.settings import TestSettings

__all__ = ["begun", "crossing", "first_line", "passed_over", "run_of", "untold"]

_HOLDING = ("evidence", "poison", "settle_timeout", "effect_timeout", "strict")
"""Settings of a test that a reader of its run should know."""


def crossing(item: pytest.Item, report: pytest.TestReport, here: Trial) -> dict[str, object]:
    """Return what crosses for a run."""
    account = here.account
    run = run_of(
        item,
        here,
        outcome=outcome(report),
        error=None if not report.failed or (account and account.failed) else first_line(report),
        reason=_reason(report),
    )
    before = earlier(item, here.settings.attempt)
    keep(item, run)
    _record(item, run)
    unknown = account is not None and any(each.allowed is None for each in account.undecided)
    more = {} if report.passed and not unknown else _place(item, run)
    return {"run": run, "unknown": unknown, **_servers(item), **more, **before}


def untold(item: pytest.Item, here: Trial) -> dict[str, object]:
    """Return what crosses with the last report of a test of whose run none was made; nothing where one was."""
    told = leave(item, here)
    return {**told, **_servers(item)} if told else {}


def _servers(item: pytest.Item) -> dict[str, Any]:
    here = ground(item.config)
    facts = here.session.facts() if here.session is not None else {}
    return {"servers": facts, "worker": here.settings.worker}


def run_of(item: pytest.Item, here: Trial, **told: Any) -> dict[str, Any]:
    """Return the record of a trial."""
    from pytest_mqchaos.report.document import run_record
    from pytest_mqchaos.report.machines import server_name

    bodies = setting(item.config, "report_bodies").value
    run = run_record(here.account, **_named(here.settings), bodies=bodies, **told)
    if facts := _servers(item)["servers"]:
        run["server"] = server_name(facts)
    return {**run, "kept": here.kept} if here.kept else run


def _place(item: pytest.Item, run: Mapping[str, Any]) -> dict[str, object]:
    """Return where the fault that is to blame stands in the source, if anybody wants to know."""
    from pytest_mqchaos.places import place, wanted

    if not wanted():
        return {}
    blamed = (each["fault"] for each in run["findings"] if each["fault"] is not None)
    return {"place": place(item, next(blamed, None))}


def _record(item: pytest.Item, run: Mapping[str, Any]) -> None:
    """Record the verdict as `record_property` does: for `--junitxml`, and whoever else reads a report's properties.

    They cross with the report of the teardown. Those of an attempt before go: a rerun has a verdict of its own.
    """
    from pytest_mqchaos.report.junit import properties

    others = [each for each in item.user_properties if not each[0].startswith("mqchaos_")]
    item.user_properties[:] = [*others, *properties(run)]


def begun(item: pytest.Item, here: Trial) -> dict[str, object]:
    """Return what crosses when a test begins: its run, as it is told if its process dies in it."""
    from pytest_mqchaos.kept import if_cut
    from pytest_mqchaos.report.document import run_record

    run = run_record(None, **_named(here.settings), outcome="error", error="")
    run["kept"] = if_cut(item.config, here.settings)
    return {"begun": run, **_servers(item), **earlier(item, here.settings.attempt)}


def _named(settings: TestSettings) -> dict[str, Any]:
    """Return what is known of a run before it began."""
    return {
        "nodeid": settings.nodeid,
        "attempt": settings.attempt,
        "reproduce": settings.again,
        "scenario": settings.scenario.id,
        "seed": settings.seed,
        "promised": settings.guarantee,
        "settings": {name: getattr(settings, name) for name in _HOLDING},
    }


def first_line(report: pytest.TestReport) -> str:
    """Return the first line of what a test failed with."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(report.longrepr) if crash is None else str(crash.message)
    return text.strip().partition("\n")[0]


def passed_over(item: pytest.Item, report: pytest.TestReport) -> dict[str, object] | None:
    """Return what crosses for a chaos test that was skipped before its run began; None for any other test."""
    from pytest_mqchaos.markers import FIXTURE, planned

    if hasattr(report, "wasxfail") or FIXTURE not in getattr(item, "fixturenames", ()):
        return None
    try:
        scenario = planned(item).id
    except ChaosError:
        scenario = "baseline"
    told = {"nodeid": item.nodeid, "scenario": scenario, "reason": _reason(report)}
    return {"skipped": told, "unknown": False}


def _reason(report: pytest.TestReport) -> str:
    """Return why a test was skipped; empty if it was not."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return ""
    longrepr = report.longrepr
    text = str(longrepr[2] if isinstance(longrepr, tuple) else longrepr)
    return text.removeprefix("Skipped: ")
