"""Whom a loss is put down to: what nobody can know is not stated."""

from __future__ import annotations

from typing import Any

import pytest
from check_builders import Run, found, name, only, queue
from test_outlets import sources

from pytest_mqchaos.model.case import ConsumerFacts
from pytest_mqchaos.model.faults import connection_drop, connection_reset, consumer_crash
from pytest_mqchaos.model.triggers import ack, delivery

TWO: dict[str, Any] = {"consumers": tuple(ConsumerFacts(name=each, alive=True) for each in ("bill", "ship"))}
QUEUES = (queue("bill"), queue("ship"))


def fan_out(*, expect: int = 2, count: int = 1) -> Run:
    """Return a run of a fan-out to two queues with a consumer each."""
    run = Run(count, to="", expect=expect).bind("bus", "fanout", ("", "bill"), ("", "ship"))
    for each in ("bill", "ship"):
        run.start(each).subscribe(each, link=each)
    return run.publish(exchange="bus", routing_key="")


@pytest.mark.parametrize("drops", ["bill", "ship"])
@pytest.mark.parametrize("first", ["bill", "ship"])
def test_one_log_for_two_consumers(drops: str, first: str) -> None:
    """Who of them dropped it does not show there, whoever was first: one or the other, and how to tell them apart."""
    run, shown = fan_out(), False
    for each in (first, "ship" if first == "bill" else "bill"):
        hand = run.deliver(1, each, link=each)
        if each != drops:
            run.effect(1, link=None)
            shown = True
        run.ack(hand, effect_seen=shown)
    finding = only(run.settled(*QUEUES), "lost", **TWO)
    assert finding.name == "lost:by_consumer"
    assert finding.claim == "lost by either bill or ship: its ack reached the broker, its work was never done"
    assert finding.cause == "no fault explains it, and whose work is missing does not show"
    assert 'mqchaos.effects(..., of="bill")' in finding.mend


def test_both_dropped_it() -> None:
    """Of two effects none came: neither of them worked on it, and that is known."""
    run = fan_out()
    for each in ("bill", "ship"):
        run.ack(run.deliver(1, each, link=each), effect_seen=False)
    finding = only(run.settled(*QUEUES), "lost", **TWO)
    assert finding.claim == "lost by bill and ship: its ack reached the broker, its work was never done"


def test_a_crash_of_one_of_them_is_the_likely_cause() -> None:
    """The work of either may be missing; that one was killed right behind its ack explains it."""
    run = fan_out().plan(consumer_crash(after=ack(1), consumer="ship"))
    hand = run.deliver(1, "bill", link="bill")
    run.effect(1, link=None).ack(hand, effect_seen=True)
    run.ack(run.deliver(1, "ship", link="ship"), effect_seen=True).barrier("ship").crash("ship", fault=0)
    finding = only(run.start("ship").settled(*QUEUES), "lost", **TWO)
    assert finding.claim.startswith("lost by either bill or ship: ")
    assert (finding.cause, finding.fault) == ("consumer_crash(after=ack(1), consumer='ship')", 0)


def test_acknowledged_with_too_few_effects() -> None:
    """It was delivered and acknowledged once, so nothing of it was lost on the way."""
    run = Run(2, expect=2).subscribe().publish()
    for number, times in ((1, 2), (2, 1)):
        hand = run.deliver(number)
        run.effect(*[number] * times).ack(hand, effect_seen=True)
    finding = only(run.settled(), "lost")
    assert (finding.name, finding.messages) == ("lost:by_consumer", (name(2),))
    assert finding.claim == ("lost by the consumer: acknowledged with 1 of the 2 effects that were expected")
    assert finding.cause == "no fault explains it: worker acknowledged it and did not work on it"


def test_a_second_queue_from_where_it_never_came() -> None:
    """Who took his own copy and did his work is no cause of what became of the other copy."""
    run = fan_out()
    run.work(1, link="bill", queue_name="bill")
    finding = only(run.settled(*QUEUES), "lost", **TWO)
    assert finding.claim == (
        "lost by the broker: confirmed, never delivered from `ship`, which holds it no more"
    )


def test_too_few_queues_where_acks_count() -> None:
    """Where an ack is all the evidence there is, the one that was to take it besides had none to take."""
    run = Run(1, expect=2).subscribe().publish()
    run.ack(run.deliver(1))
    finding = only(run.settled(), "lost", evidence="broker")
    assert finding.name == "lost:by_publisher"
    assert finding.claim == "lost by the publisher: it came to `orders` only, and 2 were to take it"


def rows_and_events(run: Run, number: int, *, rows: int) -> None:
    """Have a consumer write rows, publish an event, and ack."""
    hand = run.deliver(number)
    run.effect(*[number] * rows, source="ledger", in_order=False)
    run.republish(number, "evts").effect(number, source="evts", in_order=False)
    run.ack(hand)


def test_an_event_that_arrived_is_no_copy() -> None:
    """A row that is missing is the consumer's work; the event went where nobody works."""
    run = sources(Run(3), "ledger", kind="call").start().subscribe().publish()
    sources(run, "evts", kind="queue")
    for number, rows in ((1, 1), (2, 0), (3, 1)):
        rows_and_events(run, number, rows=rows)
    finding = only(run.settled(), "lost")
    assert finding.claim == (
        "lost by the consumer: its ack reached the broker, its work was never done: "
        "it does not show in `ledger`, though it does in `evts`"
    )
    assert finding.mend == "acknowledge after the work"


def test_a_copy_for_a_queue_that_is_not_there() -> None:
    """A retry, or a next stage, whose name is misspelt: the name is the cause, and what would have told of it."""
    run = Run(1).start().subscribe().publish()
    hand = run.deliver(1)
    finding = only(run.republish(1, "orders.retyr").ack(hand).settled(), "lost")
    assert (
        finding.claim == "lost by the consumer: it published a copy and acknowledged, and the copy is nowhere"
    )
    assert finding.cause == "it published the copy to `orders.retyr`, and there is no such queue"
    assert finding.mend.startswith("publish to a queue that is there, with mandatory=True")


def test_an_event_that_never_arrived_is_nowhere() -> None:
    """Published and acknowledged, and eaten on its way: that is what to mend."""
    run = sources(Run(2), "ledger", kind="call").start().subscribe().publish()
    sources(run, "evts", kind="queue")
    rows_and_events(run, 1, rows=1)
    hand = run.deliver(2)
    run.effect(2, source="ledger", in_order=False).republish(2, "evts", passed=False).ack(hand)
    finding = only(run.settled(), "lost")
    assert finding.claim.startswith(
        "lost by the consumer: it published a copy and acknowledged, and the copy is nowhere: "
        "it does not show in `evts`"
    )


def test_an_event_in_a_queue_that_nobody_reads() -> None:
    """Nobody watches it either: it is no copy all the same."""
    run = Run(2).start().subscribe().publish().work(1)
    hand = run.deliver(2)
    run.republish(2, "log").ack(hand, effect_seen=False)
    run.settled(queue("orders"), queue("log", ready=1, exact=True)).rest(2, "log")
    assert found(run) == {"stranded": [2]}


def test_an_event_does_not_double_the_work() -> None:
    """Two rows of one delivery are the consumer's, though it published an event."""
    run = sources(Run(1), "ledger", kind="call").start().subscribe().publish()
    sources(run, "evts", kind="queue")
    rows_and_events(run, 1, rows=2)
    finding = only(run.settled(), "duplicated", "exactly-once")
    assert finding.name == "duplicated:by_consumer"
    assert finding.claim == "worked on 2 times, expected 1 (in `ledger`), though delivered once"


def test_a_copy_that_is_read_does() -> None:
    """What it published goes where it is worked on: that is why."""
    run = Run(1).subscribe().publish()
    hand = run.deliver(1)
    run.effect(1).republish(1, "orders").ack(hand, effect_seen=True).work(1)
    assert only(run.settled(), "duplicated", "exactly-once").name == "duplicated:by_copies"


STORE = connection_reset(link="store", after=ack(1))


def shrugs(*, early: bool) -> Run:
    """The way to a store is cut while one message is in hand, which the consumer drops for it."""
    run = Run(3).start().subscribe(prefetch=1).publish().plan(STORE).work(1)
    hand = run.deliver(2)
    if early:
        run.ack(hand)
    run.fire(0, "store")
    if not early:
        run.ack(hand, effect_seen=False)
    return run.work(3).settled()


@pytest.mark.parametrize("early", [False, True])
def test_a_strike_on_a_service_is_near(early: bool) -> None:
    """It is no excuse for the ack, so no fault explains it; but it tells the place."""
    finding = only(shrugs(early=early), "lost")
    assert finding.messages == (name(2),)
    assert finding.cause == (
        "after store was struck (connection_reset(after=ack(1), link='store')), worker did not work on it"
    )
    assert finding.fault is None


def test_the_next_message_meets_the_broken_way() -> None:
    """Nothing was in hand when the way was cut."""
    run = Run(3).start().subscribe(prefetch=1).publish().plan(STORE).work(1).fire(0, "store")
    run.ack(run.deliver(2), effect_seen=False).work(3).settled()
    assert only(run, "lost").cause.startswith("after store was struck (")


@pytest.mark.parametrize("after", [False, True])
def test_a_strike_that_has_nothing_to_do_with_it(after: bool) -> None:
    """What was dropped before the strike, or when a later message had been worked on, has another cause."""
    run = Run(3).start().subscribe(prefetch=1).publish().plan(STORE)
    if after:
        run.work(1).fire(0, "store").work(2)
        run.ack(run.deliver(3), effect_seen=False)
    else:
        run.ack(run.deliver(1), effect_seen=False).work(2).fire(0, "store").work(3)
    assert only(run.settled(), "lost").cause.startswith("no fault explains it: worker ")


def test_a_strike_that_cost_nothing() -> None:
    """A consumer that tries again loses nothing."""
    run = Run(2).start().subscribe(prefetch=1).publish().plan(STORE).work(1).fire(0, "store").work(2)
    assert found(run.settled()) == {}


@pytest.mark.parametrize(
    ("by", "more", "cause"),
    [
        ("fault", False, "connection_drop(after=ack(2))"),
        ("client", False, "no fault explains it: worker went on to later messages"),
        ("fault", True, "no fault explains it: worker went on to later messages"),
    ],
)
def test_a_cut_right_behind_an_ack(by: str, more: bool, cause: str) -> None:
    """What was to be sent after the ack died with the connection; not so what others were acknowledged after."""
    run = Run(4).start().subscribe().publish().plan(connection_drop(after=ack(2))).work(1)
    run.ack(run.deliver(2), effect_seen=False).barrier()
    if more:
        run.work(3)
    run.fire(0).lose(by=by).subscribe().work(4)
    if not more:
        run.work(3)
    assert only(run.settled(), "lost").cause == cause


def test_a_try_that_was_cut_short_and_taken_for_done() -> None:
    """A dedup store that is marked before the work: the next try finds the mark, and acknowledges."""
    run = Run(3).start().subscribe().publish().plan(consumer_crash(after=delivery(2))).work(1)
    run.deliver(2)
    run.crash(fault=0).start().subscribe()
    run.ack(run.deliver(2, redelivered=True), effect_seen=False).work(3).settled()
    finding = only(run, "lost")
    assert (finding.cause, finding.fault) == ("consumer_crash(after=delivery(2))", 0)
    assert "a try was cut short, and the next one acknowledged it without the work" in finding.claim
    assert finding.mend.startswith("note a message as done together with its work")
    assert "(acked_before_effect:confirmed)" not in found(run)


def test_what_was_only_prefetched_was_no_try() -> None:
    """A consumer that drops a message which a killed one had not begun yet does that whatever was killed."""
    run = Run(3).start().subscribe().publish().plan(consumer_crash(after=delivery(2)))
    run.deliver(1)
    run.deliver(2)
    run.crash(fault=0).start().subscribe().work(1, redelivered=True)
    run.ack(run.deliver(2, redelivered=True), effect_seen=False).work(3).settled()
    finding = only(run, "lost")
    assert finding.messages == (name(2),)
    assert finding.cause == "no fault explains it: worker went on to later messages"


def test_a_hand_on_that_died_on_its_way_behind_the_ack() -> None:
    """The next one's ack was sent too, and died likewise: what it was at was this."""
    run = Run(3).start().subscribe().publish().plan(connection_drop(after=ack(2))).work(1)
    one, two = run.deliver(2), run.deliver(3)
    run.ack(one, effect_seen=None).barrier().fire(0).republish(2, "next", passed=False)
    run.ack(two, effect_seen=None, passed=False).lose().subscribe().work(3, redelivered=True)
    finding = only(run.settled(), "lost")
    assert (finding.cause, finding.fault) == ("connection_drop(after=ack(2))", 0)
    assert "acknowledged first, and the copy that it published then never arrived" in finding.claim
    assert finding.mend == "acknowledge once the broker has confirmed the copy"


@pytest.mark.parametrize(
    ("settings", "digest", "name"),
    [
        ({"message_ttl": 0.1}, None, "lost:by_policy"),
        ({}, None, "lost:by_consumer"),
        ({"message_ttl": 0.1}, "an event's", "lost:by_consumer"),
    ],
)
@pytest.mark.parametrize("ready", [0, 1])
def test_a_retry_queue_that_leads_nowhere(
    settings: dict[str, Any], digest: str | None, name: str, ready: int
) -> None:
    """What expires there is gone by the queue's policy, also where it is counted and gone when it is to be read."""
    run = Run(2).start().subscribe().publish().work(1)
    hand = run.deliver(2)
    run.republish(2, "wait", digest=digest or run.messages[list(run.messages)[1]].digest).ack(
        hand, effect_seen=False
    )
    run.wait(1000)
    run.settled(queue("orders"), queue("wait", ready=ready if settings else 0, **settings))
    finding = only(run, "lost")
    assert (finding.name, finding.unknown) == (name, False)
