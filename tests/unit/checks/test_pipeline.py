"""Two stages: a loss is put down to the one that had the message last, not to the one that handed it on."""

from __future__ import annotations

from typing import Any

import pytest
from check_builders import Run, judged, name, only

from pytest_mqchaos.model.case import ConsumerFacts
from pytest_mqchaos.model.faults import consumer_crash
from pytest_mqchaos.model.triggers import ack

STAGES: dict[str, Any] = {
    "consumers": tuple(ConsumerFacts(name=each, alive=True) for each in ("billing", "mailer"))
}


def started() -> Run:
    """Return a run of two stages, with a crash of either to come, and three orders."""
    run = Run(3).plan(consumer_crash(after=ack(2), consumer="mailer"))
    for link, queue in (("billing", "orders"), ("mailer", "invoices")):
        run.start(link).subscribe(queue, link=link)
    return run.publish()


def billed(run: Run, number: int, *, early: bool = False) -> None:
    """Let the first stage take an order, publish its invoice and ack; the ack first if it is wrong."""
    hand = run.deliver(number, link="billing")
    if early:
        run.ack(hand, effect_seen=False)
    run.republish(number, "invoices", link="billing")
    if not early:
        run.ack(hand, effect_seen=False)


def mailed(run: Run, *numbers: int) -> None:
    """Let the second stage do its work."""
    run.work(*numbers, link="mailer", queue_name="invoices")


@pytest.mark.parametrize("early", [False, True])
def test_the_last_stage_loses(early: bool) -> None:
    """It acked what it had not worked on; that the first stage acked its own before does not hide it."""
    run = started()
    for number in (1, 2, 3):
        billed(run, number, early=early)
    mailed(run, 1)
    run.ack(run.deliver(2, "invoices", link="mailer"), effect_seen=False).barrier()
    run.crash(fault=0, link="mailer").start("mailer").subscribe("invoices", link="mailer")
    mailed(run, 3)
    finding = only(run.settled(), "lost", **STAGES)
    assert finding.messages == (name(2),)
    assert finding.claim == "lost by mailer: its ack reached the broker, its work was never done"
    assert finding.cause == "consumer_crash(after=ack(2), consumer='mailer')"


def test_the_first_stage_loses() -> None:
    """It acked and published nothing."""
    run = started()
    billed(run, 1)
    run.ack(run.deliver(2, link="billing"), effect_seen=False)
    billed(run, 3)
    mailed(run, 1, 3)
    finding = only(run.settled(), "lost", **STAGES)
    assert finding.claim == "lost by billing: its ack reached the broker, its work was never done"


def test_what_was_handed_on_and_is_nowhere() -> None:
    """It published, unconfirmed, and acked, and the second stage never saw it."""
    run = started()
    for number in (1, 2, 3):
        billed(run, number)
    mailed(run, 1, 3)
    finding = only(run.settled(), "lost", **STAGES)
    assert finding.claim == ("lost by billing: it published a copy and acknowledged, and the copy is nowhere")


def test_a_stage_that_acks_first_may_be_one_of_two_readers() -> None:
    """Who read another queue and published later need not be whose work was to show: no hazard is made of it."""
    run = started()
    for number in (1, 2, 3):
        billed(run, number, early=True)
        mailed(run, number)
    _, hazards = judged(run.settled(), **STAGES)
    assert [each for each in hazards if each.kind == "acked_before_effect"] == []


def test_the_hazard_of_the_last_stage_on_a_clean_run() -> None:
    """It is named by itself; a stage that hands on before it acks is none."""
    run = started()
    for number in (1, 2, 3):
        billed(run, number)
        hand = run.deliver(number, "invoices", link="mailer")
        run.ack(hand, effect_seen=False).effect(number, link="mailer")
    _, hazards = judged(run.settled(), **STAGES)
    assert [(each.consumer, each.count) for each in hazards if each.kind == "acked_before_effect"] == [
        ("mailer", 3)
    ]
