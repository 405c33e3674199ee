"""Redelivered: one copy more often than once, explained or not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from check_builders import Run, found, only

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.faults import connection_drop, consumer_freeze
from pytest_mqchaos.model.triggers import delivery

EXPLAINED = {"(redelivered:explained)": [1]}


def test_while_another_has_it() -> None:
    """A copy that is delivered again while a consumer has it, and nothing took it back, is unexplained."""
    run = Run(1).subscribe().subscribe(link="other").publish()
    first = run.deliver(1)
    second = run.deliver(1, link="other")
    run.effect(1).ack(first, second, effect_seen=True).settled()
    finding = only(run, "redelivered", "at-most-once")
    assert (finding.name, finding.violation) == ("redelivered:unexplained", True)
    assert finding.claim == "delivered again to other while worker (tag 1) had it, and nothing took it back"


def test_two_connections_are_read_one_after_the_other() -> None:
    """The first delivery may be seen last, on the connection whose end made the second: the broker marks the second."""
    run = Run(1).subscribe().subscribe(link="other").publish()
    second = run.deliver(1, link="other", redelivered=True)
    run.deliver(1, passed=False)
    run.lose()
    run.effect(1, link="other").ack(second, effect_seen=True)
    assert found(run.settled()) == EXPLAINED


@pytest.mark.parametrize("marks", [(False, False), (False, True), (True, True)])
def test_the_mark_of_a_redelivery_tells_which_was_first(marks: tuple[bool, bool]) -> None:
    """Without the broker's mark on the one that we saw first, it was the first, and nothing had taken it back."""
    run = Run(1).subscribe().subscribe(link="other").publish()
    first = run.deliver(1, link="other", redelivered=marks[0])
    run.deliver(1, passed=False, redelivered=marks[1])
    run.lose()
    run.effect(1, link="other").ack(first, effect_seen=True)
    assert only(run.settled(), "redelivered").name == "redelivered:unexplained"


def test_the_marks_of_a_copy_that_had_been_given_back_tell_nothing() -> None:
    """Both carry them; the one that we saw second is on a connection that was lost, so it was the broker's first."""
    run = Run(1).subscribe().subscribe(link="other").publish()
    run.nack(run.deliver(1))
    again = run.deliver(1, link="other", redelivered=True)
    run.deliver(1, passed=False, redelivered=True)
    run.lose()
    run.effect(1, link="other").ack(again, effect_seen=True)
    assert found(run.settled()) == {"(redelivered:explained)": [1, 1]}


@pytest.mark.parametrize(
    "why", ["requeue", "link", "channel", "cancel", "recover", "rollback", "unsubscribe", "stop"]
)
def test_explained(why: str) -> None:
    """Requeue, recover, rollback, the end of consumer, link or channel, a cancel, a broker stop explain it."""
    run = Run(1).subscribe().publish()
    hand = run.deliver(1)
    if why == "requeue":
        run.nack(hand)
    elif why == "link":
        run.lose()
    elif why == "channel":
        run.on_channel(e.ChannelClosed, by="client").on_channel(e.ChannelOpened)
    elif why == "cancel":
        run.on_channel(e.ConsumerCancelled, consumer_tag="worker-orders", queue="orders")
    elif why == "recover":
        run.on_channel(e.Recovered)
    elif why == "rollback":
        run.ack(hand, transactional=True).on_channel(e.RolledBack)
    elif why == "unsubscribe":
        run.on_channel(e.Unsubscribed, consumer_tag="worker-orders", queue="orders")
    else:
        run.restart_broker()
    again = run.deliver(1, redelivered=True)
    run.effect(1).ack(again, effect_seen=True)
    if why in ("rollback", "unsubscribe"):
        run.ack(hand, effect_seen=True)
    assert found(run.settled()) == EXPLAINED


def test_a_broker_that_sees_the_end_of_a_connection_before_we_do() -> None:
    """A delivery to another consumer may be seen before the end of the connection that explains it."""
    run = Run(1).subscribe().subscribe(link="other").publish()
    run.deliver(1)
    again = run.deliver(1, link="other", redelivered=True)
    run.lose().effect(1).ack(again, effect_seen=True).settled()
    assert found(run) == EXPLAINED


def test_a_delivery_that_was_held_when_its_connection_was_cut() -> None:
    """It is recorded when nobody holds it any more, behind the cut, and was never in anybody's hand."""
    run = Run(1).subscribe().publish()
    run.deliver(1, passed=False)
    held = run.events.pop()
    run.lose().subscribe()
    run.events.append(replace(held, at=run.events[-1].at + 1))
    again = run.deliver(1, redelivered=True)
    run.effect(1).ack(again, effect_seen=True).settled()
    assert found(run) == EXPLAINED


def test_the_end_of_the_run_explains_nothing() -> None:
    """Connections that end when the plugin ends the consumers explain no earlier redelivery."""
    run = Run(1).subscribe().subscribe(link="other").publish()
    run.deliver(1)
    again = run.deliver(1, link="other")
    run.effect(1).ack(again, effect_seen=True).settled().lose(by="client")
    assert found(run)["redelivered:unexplained"] == [1]


def test_the_fault_is_the_cause() -> None:
    """A redelivery after a cut names the fault."""
    run = Run(1).subscribe().publish().plan(connection_drop(after=delivery(1)))
    run.deliver(1)
    run.fire(0, at=1).lose().subscribe().work(1, redelivered=True).settled()
    assert only(run, "redelivered").cause == "connection_drop(after=delivery(1))"


def test_the_flag_is_evidence_not_a_record() -> None:
    """A first delivery with the redelivered flag (prefetched and never read before) is no redelivery."""
    assert found(Run(1).subscribe().publish().work(1, redelivered=True).settled()) == {}


@pytest.mark.parametrize(
    ("healed", "cause"),
    [(True, "consumer_freeze(after=delivery(1), duration=60.0)"), (False, "worker lost its connection")],
)
def test_a_fault_that_lasts_is_the_cause_of_what_comes_while_it_does(healed: bool, cause: str) -> None:
    """The broker gives up within the minute that a consumer stands still; long after a mere moment it is not that."""
    run = Run(1).subscribe().publish().plan(consumer_freeze(after=delivery(1), duration=60))
    run.deliver(1)
    run.fire(0, at=1).wait(40_000).lose(by="broker").wait(20_000)
    if healed:
        run.add(e.FaultHealed, fault=0)
    again = run.subscribe().deliver(1, redelivered=True)
    run.effect(1).ack(again, effect_seen=True).settled()
    assert only(run, "redelivered").cause == cause
