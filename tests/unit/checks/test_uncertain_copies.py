"""Uncertain copies: settled on a link that was lost, and nobody saw the broker process that.

The count of their queue tells what became of them, or it does not: no check takes one for granted either way.
"""

from __future__ import annotations

from check_builders import Run, found, numbers, only, queue

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.case import ConsumerFacts
from pytest_mqchaos.model.faults import broker_restart, consumer_crash
from pytest_mqchaos.model.triggers import ack, delivery

DEAD = (ConsumerFacts(name="worker", alive=False, exit_code=-9, restart="never"),)
ORDERS = {"dead_letter_exchange": "", "dead_letter_routing_key": "orders.dead"}


def ack_first(*worked: int) -> Run:
    """A consumer that acknowledges five messages before their work, does some of it, and is gone."""
    run = Run(8).start().subscribe().publish()
    for number in range(1, 6):
        run.ack(run.deliver(number), effect_seen=False)
        if number in worked:
            run.effect(number)
    return run.crash()


# --- stalled ---------------------------------------------------------------------------------------------


def test_stalled_names_what_was_not_acknowledged() -> None:
    """A consumer dies at its fifth ack: what it had acknowledged before is gone by the count, and not named."""
    run = Run(20).start().subscribe(prefetch=1).publish().plan(consumer_crash(before=ack(5)))
    run.work(1, 2, 3, 4)
    hand = run.deliver(5)
    run.effect(5).fire(0, at=5).ack(hand, passed=False).crash()
    finding = only(run.unsettled(queue("orders", ready=16)), "stalled", consumers=DEAD)
    assert (finding.name, finding.count) == ("stalled:consumer_ended", 16)
    assert numbers(finding.messages) == list(range(5, 21))
    assert finding.claim == "stalled: 16 ready in `orders`, and its consumer has ended"


def test_stalled_says_how_many_it_cannot_name() -> None:
    """Where foreign messages may be among them, only those that were never acknowledged are named."""
    run = Run(4).start().subscribe().publish().work(1, 2)
    run.ack(run.deliver(None)).lose().unsettled(queue("orders", ready=3))
    finding = only(run, "stalled")
    assert (numbers(finding.messages), finding.count) == ([3, 4], 3)
    assert finding.claim.startswith("stalled: 3 ready in `orders` (1 of them cannot be named)")


def test_stalled_may_name_nobody() -> None:
    """Where nothing is certain the number stands alone."""
    run = Run(4).start().subscribe().publish().work(1, 2).lose()
    finding = only(run.unsettled(queue("orders", ready=3, message_ttl=60.0)), "stalled")
    assert (finding.messages, finding.count) == ((), 3)
    assert finding.claim.startswith("stalled: 3 ready in `orders` (which ones cannot be told)")


# --- lost ------------------------------------------------------------------------------------------------


def test_lost_is_what_was_acknowledged_and_is_gone() -> None:
    """Acknowledged, not worked on, and gone by the count: lost by the consumer, beside what stalls."""
    said = found(ack_first(1, 2, 3, 4).unsettled(queue("orders", ready=3)), consumers=DEAD)
    assert said == {"lost:by_consumer": [5], "stalled:consumer_ended": [6, 7, 8]}


def test_lost_is_not_what_is_there_again() -> None:
    """Its ack was eaten: it is in the queue, and stalled."""
    said = found(ack_first(1, 2, 3, 4).unsettled(queue("orders", ready=4)), consumers=DEAD)
    assert said == {"stalled:consumer_ended": [5, 6, 7, 8]}


def test_lost_is_not_what_may_be_there() -> None:
    """One of two may be there, and which one cannot be told: neither is called lost."""
    run = Run(6).start().start("other").subscribe().subscribe(link="other").publish()
    run.ack(run.deliver(1), run.deliver(2, link="other"), effect_seen=False).crash().crash("other")
    said = found(run.unsettled(queue("orders", ready=5)))
    assert said == {"stalled:consumer_ended": [3, 4, 5, 6]}


def test_lost_by_count() -> None:
    """A queue that holds fewer than it must: so many are lost, though nobody can say which."""
    run = Run(6).start().subscribe().publish().work(1).crash().unsettled(queue("orders", ready=3))
    finding = only(run, "lost", consumers=DEAD)
    assert (finding.name, finding.messages, finding.count) == ("lost:by_broker", (), 2)
    assert (
        finding.claim
        == "lost by the broker: `orders` holds 2 fewer than it must, and which ones cannot be told"
    )
    assert only(run, "stalled", consumers=DEAD).messages == ()


def test_lost_by_count_when_the_broker_stopped() -> None:
    """With a stop of the broker in between it is a loss to persistence."""
    run = Run(6).start().subscribe().publish().plan(broker_restart(after=delivery(1))).work(1)
    run.fire(0, "broker").restart_broker().unsettled(queue("orders", ready=3))
    finding = only(run, "persistence_loss")
    assert (finding.name, finding.messages, finding.count) == ("persistence_loss:by_broker", (), 2)
    assert (finding.cause, finding.fault) == ("broker_restart(after=delivery(1))", 0)
    assert "lost:by_broker" not in found(run)


def test_lost_is_not_what_a_killed_broker_brought_back() -> None:
    """Processed, forgotten by the crash, and perhaps in the queue again."""
    run = Run(3).start().subscribe().publish()
    run.ack(run.deliver(1), effect_seen=False).barrier().restart_broker("crash")
    assert found(run.unsettled(queue("orders", ready=3))).keys() == {"stalled:not_reconnected"}


# --- persistence loss --------------------------------------------------------------------------------------


def test_an_ack_that_the_broker_took_with_it_is_no_loss_to_persistence() -> None:
    """Worked on and acknowledged on a link that the restart ended: whether or not that arrived, all is well."""
    run = Run(2, persistent=False).start().subscribe().publish().work(1, 2).restart_broker().subscribe()
    assert found(run.settled()) == {}


# --- poison ------------------------------------------------------------------------------------------------


def test_poison_that_may_have_been_settled_is_not_stuck() -> None:
    """An ack of poison that may have been eaten, behind others that are ready: neither stuck nor missing."""
    run = Run(2, poison=1).start().subscribe().publish().work(1)
    run.ack(run.deliver(3)).ack(run.deliver(None)).crash()
    said = found(run.unsettled(queue("orders", ready=2)), consumers=DEAD)
    assert said == {"stalled:consumer_ended": [2]}


def test_poison_that_may_have_been_rejected_is_not_missing() -> None:
    """A reject that may have been eaten: its dead letter may be nowhere yet."""
    run = Run(2, poison=1).start().subscribe().publish().work(1)
    run.nack(run.deliver(3), requeue=False).ack(run.deliver(None)).crash()
    said = found(run.unsettled(queue("orders", ready=2, **ORDERS), queue("orders.dead")), consumers=DEAD)
    assert said == {"stalled:consumer_ended": [2]}


def test_poison_that_is_surely_back_is_stuck() -> None:
    """An ack that was surely eaten: it is neither settled nor dead-lettered."""
    run = Run(2, poison=1).start().subscribe().publish().work(1)
    run.ack(run.deliver(3)).crash()
    said = found(run.unsettled(queue("orders", ready=2)), consumers=DEAD)
    assert said == {"stalled:consumer_ended": [2, 3], "poison_stuck:head_of_line": [3]}


def test_poison_that_is_surely_gone() -> None:
    """An ack that was surely processed: it was discarded, and nothing is said of it."""
    run = Run(2, poison=1).start().subscribe().publish().work(1)
    run.ack(run.deliver(3)).crash()
    assert found(run.unsettled(queue("orders", ready=1)), consumers=DEAD) == {"stalled:consumer_ended": [2]}


# --- dead letters ------------------------------------------------------------------------------------------


def test_in_transit_are_those_that_did_not_arrive() -> None:
    """Of two dead letters one has arrived: the other one is in transit."""
    run = Run(0, poison=2).subscribe().publish()
    run.nack(run.deliver(1), run.deliver(2), requeue=False)
    run.unsettled(queue("orders", transit=1, **ORDERS), queue("orders.dead", ready=1))
    run.rest(1, "orders.dead", death_reason="rejected", death_queue="orders")
    assert found(run) == {"dead_letter_miss:no_target": [2]}


def test_in_transit_is_a_number_where_nobody_can_say_which() -> None:
    """Of two that were rejected one is in transit, and the other is gone."""
    run = Run(0, poison=2).subscribe().publish()
    run.nack(run.deliver(1), run.deliver(2), requeue=False)
    run.unsettled(queue("orders", transit=1, **ORDERS))
    finding = only(run, "dead_letter_miss")
    assert (finding.name, finding.messages, finding.count) == ("dead_letter_miss:no_target", (), 1)


# --- unacknowledged ----------------------------------------------------------------------------------------


def test_an_ack_that_is_not_known_to_be_processed_is_not_called_open() -> None:
    """Passed on, on a channel that is open, and the broker still counts it: what that is cannot be told."""
    run = Run(1).subscribe().publish().work(1)
    assert found(run.unsettled(queue("orders", unacknowledged=1))) == {"stalled:unsettled?": []}


def test_an_ack_without_its_commit() -> None:
    """What a transaction settled and never committed is unacknowledged, and the cause is no fault."""
    run = Run(1).subscribe().publish()
    run.ack(run.deliver(1), transactional=True).effect(1).unsettled(queue("orders", unacknowledged=1))
    finding = only(run, "unacknowledged")
    assert (finding.detail, finding.mend) == ("leaked", "commit the transaction (tx.commit) after the work")
    assert finding.claim == "unacknowledged: worker settled it in a transaction that was never committed"


# --- redelivered -------------------------------------------------------------------------------------------


def test_what_was_reckoned_gone_and_comes_again_is_explained() -> None:
    """A second settle may show that a count was misled: the redelivery has its cause all the same."""
    run = Run(2).start().subscribe().publish().work(1).crash().unsettled(queue("orders", ready=1))
    run.start().subscribe().work(1, redelivered=True).work(2)
    run.settings.clear()
    assert found(run.settled()) == {"(duplicated:by_redelivery)": [1], "(redelivered:explained)": [1]}


def test_of_two_alike_the_one_comes_again_that_is_surely_there() -> None:
    """A copy of the application's own and the first one are alike: the one in doubt stays in doubt."""
    run = Run(1).start().subscribe().publish()
    hand = run.deliver(1)
    run.republish(1, "orders").ack(hand)
    run.deliver(1)
    run.lose().subscribe().deliver(1, redelivered=True)
    run.on_channel(e.ChannelClosed, by="broker")
    states = [copy.settlement for copy in run.ledger().records["orders-k3f9-000001"].copies]
    assert states == ["acked", ""]
