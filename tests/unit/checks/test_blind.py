"""Blind: what the canary planted is found by itself, and what is not is told with the reason."""

from __future__ import annotations

from typing import Any

from check_builders import Run, findings, name

from pytest_mqchaos.checks import blind
from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.case import Planted
from pytest_mqchaos.model.faults import canary
from pytest_mqchaos.model.findings import Finding


def planted(*, effects: int = 2, **fields: Any) -> Run:
    """Return a run of three messages: the first was withheld, the third is to have its effect counted twice."""
    run = Run(3, **fields).plan(canary()).subscribe().publish()
    hand = run.deliver(1)
    run.ack(hand, effect_seen=None)
    run.fire(target="worker", at=1, trigger="delivery(message=1)", actor="wire")
    run.work(2)
    hand = run.deliver(3)
    for number in range(effects):
        run.effect(3, planted=number == 1)
    run.ack(hand)
    return run.settled()


PLANTED = Planted(doubled=name(3))


def blinded(run: Run, promise: str = "at-least-once", **fields: Any) -> list[Finding]:
    """Return the findings of the canary's own kind."""
    return [one for one in findings(run, promise, planted=PLANTED, **fields) if one.kind == "blind"]


def test_what_was_planted_is_found_and_breaks_nothing() -> None:
    """One lost and one doubled, by their own detail, under every guarantee."""
    for promise in ("at-most-once", "at-least-once", "exactly-once"):
        said = {one.name: one.messages for one in findings(planted(), promise, planted=PLANTED)}
        assert said == {"lost:planted": (name(1),), "duplicated:planted": (name(3),)}, promise
        assert not any(one.violation for one in findings(planted(), promise, planted=PLANTED))


def test_what_is_lost_besides_is_a_loss() -> None:
    """The plant is taken out of the finding that has others in it."""
    run = Run(3).plan(canary()).subscribe().publish()
    for number in (1, 2):
        run.ack(run.deliver(number), effect_seen=None)
    run.fire(target="worker", at=1, trigger="delivery(message=1)", actor="wire")
    run.work(3).effect(3, planted=True).settled()
    lost = {one.detail: one for one in findings(run, planted=PLANTED) if one.kind == "lost"}
    assert lost["planted"].messages == (name(1),)
    assert not lost["planted"].violation
    assert lost["by_consumer"].messages == (name(2),)
    assert lost["by_consumer"].violation


def test_the_brokers_view() -> None:
    """An acknowledged message counts as worked on: the loss is not seen, and cannot be."""
    told = {one.detail: one for one in blinded(planted(), "exactly-once", evidence="broker")}
    assert told["lost"].messages == (name(1),)
    assert told["lost"].violation
    assert "it is the broker's view" in told["lost"].cause


def test_no_evidence_at_all() -> None:
    """What cannot be judged was not found."""
    run = Run(2).plan(canary()).subscribe().publish()
    run.ack(run.deliver(1), effect_seen=None)
    run.fire(target="worker", at=1, trigger="delivery(message=1)", actor="wire")
    run.ack(run.deliver(2), effect_seen=None)
    run.settled()
    (lost,) = [one for one in blinded(run, evidence="unknown") if one.detail == "lost"]
    assert lost.violation
    assert lost.cause == "no source of effects is named, and none was seen"


def test_a_source_that_holds_each_entry_once() -> None:
    """Where doubled work is a violation it is one not to see it; else it is told."""
    single = Planted(doubled=name(3), single="booked")
    for promise, counts in (("exactly-once", True), ("at-least-once", False)):
        (twice,) = [
            one for one in findings(planted(effects=1), promise, planted=single) if one.kind == "blind"
        ]
        assert (twice.name, twice.messages, twice.violation) == ("blind:duplicated", (name(3),), counts)
        assert "booked holds each entry once" in twice.cause


def test_more_effects_are_expected() -> None:
    """What `expect=` allows is not seen, and the cause says so."""
    run = planted(expect=2)
    told = {one.detail: one.cause for one in blinded(run, "exactly-once")}
    assert told == {"duplicated": "2 effects are what expect=2 allows"}


def test_an_effect_of_what_nobody_was_given() -> None:
    """The source is not of this run's work."""
    run = planted()
    run.events.insert(
        -1, e.Effected(at=run.events[-1].at, message=name(1), source="orders.log", name=name(1))
    )
    (lost,) = blinded(run)
    assert lost.name == "blind:lost"
    assert "though no consumer was given it" in lost.cause


def test_a_canary_that_did_not_strike_is_vacuous() -> None:
    """Nothing was planted, so nothing is missed by it."""
    run = Run(3).plan(canary()).subscribe().publish().work(1, 2, 3).settled()
    kinds = {one.kind for one in findings(run, planted=PLANTED)}
    assert kinds == {"vacuous"}


def test_what_was_doubled_in_a_vacuous_run_is_nobodys_fault() -> None:
    """Where no delivery could be withheld the effect was counted twice all the same: no consumer did that."""
    run = Run(1).plan(canary()).subscribe().publish()
    hand = run.deliver(1)
    run.effect(1).effect(1, planted=True).ack(hand)
    told = findings(run.settled(), "exactly-once", planted=Planted(doubled=name(1)))
    assert {one.name for one in told if one.kind != "vacuous"} == {"duplicated:planted"}
    assert not any(one.violation for one in told if one.kind == "duplicated")


def test_the_note() -> None:
    """It names what was planted, and whether it was found."""
    case = planted().case(planted=PLANTED)
    assert blind.note(case, []) == (
        f"canary, planted by the plugin itself: {name(1)} lost: found; {name(3)} duplicated: found",
    )
    missed = Finding(kind="blind", detail="lost")
    assert "lost: not found" in blind.note(case, [missed])[0]
    assert blind.note(Run(1).publish().case(), []) == ()
