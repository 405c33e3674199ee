"""The judge: every check, its verdict by the guarantee, and a check that fails."""

from __future__ import annotations

import pytest
from check_builders import Run, found, queue

from pytest_mqchaos import checks
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.faults import connection_drop
from pytest_mqchaos.model.findings import FINDING_KINDS, HAZARD_KINDS, Finding
from pytest_mqchaos.model.triggers import delivery


def test_a_run_that_the_ground_spoiled_is_unknown() -> None:
    """What failed under the run is why it cannot be judged, once; a pass it never is."""
    why = "the broker died during the test: it logged nothing"
    run = Run(1).subscribe().publish().work(1).settled()
    for unheld, told in (({}, [f"the run could not be settled: {why}"]), ({0: why}, [])):
        findings, _ = checks.judge(run.case(interrupted=True, spoiled=why, unheld=unheld))
        assert [one.claim for one in findings if one.detail == "unsettled"] == told
        assert all(one.unknown and one.violation for one in findings if one.detail == "unsettled")


def test_what_the_ground_did_is_put_down_to_no_consumer() -> None:
    """What stands still where the network died has no cause in the consumer, and no mend there."""
    run = Run(2).start().subscribe().publish().work(1).lose().unsettled(queue("orders", ready=1))
    findings, _ = checks.judge(run.case(interrupted=True, spoiled="Toxiproxy died"))
    (stalled,) = [one for one in findings if one.kind == "stalled" and one.detail != "unsettled"]
    assert stalled.claim.startswith("as far as it was seen before the ground failed: stalled: 1 ready")
    assert (stalled.unknown, stalled.cause, stalled.mend) == (True, "", "")


def test_every_kind_has_its_check() -> None:
    """The kinds of findings and hazards are those that are checked, in the order of a report."""
    assert tuple(dict.fromkeys(kind for kind, _ in checks.CHECKS)) == FINDING_KINDS  # some have two
    assert tuple(kind for kind, _ in checks.HAZARDS) == HAZARD_KINDS


def test_a_check_that_raises_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that raises is a finding that cannot be judged, with its error, and the others still run."""

    def broken(case: Case) -> list[Finding]:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(checks, "CHECKS", (("lost", broken), *checks.CHECKS[1:]))
    run = Run(1).subscribe().publish().work(1).settled()
    (finding,) = checks.judge(run.case())[0]
    assert (finding.kind, finding.unknown, finding.violation) == ("lost", True, True)
    assert finding.claim == "the check itself failed: ZeroDivisionError: a bug"
    assert not checks.judge(run.case("at-most-once"))[0][0].violation


def test_a_hazard_that_raises_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hazard that raises is told, and breaks no promise."""

    def broken(case: Case, findings: list[Finding]) -> list[object]:
        raise ValueError("a bug")

    monkeypatch.setattr(checks, "HAZARDS", (("auto_ack", broken),))
    run = Run(1).subscribe().publish().work(1).settled()
    assert found(run) == {"(auto_ack?)": []}


def test_what_is_only_told_explains_no_end_without_rest() -> None:
    """A run that did not settle is unknown, though a stream is told of under a name that would explain it."""
    run = Run(1).subscribe().publish().work(1).subscribe("log")
    run.unsettled(queue("orders", unacknowledged=1), queue("log", type="stream", ready=3))
    assert found(run) == {"(stalled:stream?)": [], "stalled:unsettled?": []}


def test_a_test_that_failed_by_itself() -> None:
    """What rests on the end of a run that was cut short is unknown; what happened has happened."""
    run = Run(3).subscribe().publish().plan(connection_drop(after=delivery(9))).work(1)
    run.ack(run.deliver(2), effect_seen=False)
    run.deliver(3, digest="other")
    run.unsettled(queue("orders", unacknowledged=2))
    said = found(run, interrupted=True)
    assert said == {"lost:by_consumer?": [2], "unacknowledged:hung?": [3], "corrupted": [3]}


def test_a_test_whose_end_was_that_of_its_consumers() -> None:
    """It is never a pass, and nothing that rests on the end is blamed on anybody."""
    run = Run(3).subscribe().publish().work(1)
    run.ack(run.deliver(2), effect_seen=False)
    run.unsettled(queue("orders", ready=1))
    said = found(run, interrupted=True, cut_short=True)
    assert said == {"lost:by_consumer?": [2], "stalled:silent?": [3], "stalled:unsettled?": []}


def test_nothing_at_all() -> None:
    """A run in which nothing happened has no finding of its own; that is the test's error."""
    assert found(Run(1)) == {}
