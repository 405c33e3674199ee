"""Where false verdicts come from: each item of that section of the model, as far as checks and ledger are concerned.

Identity at a distance, the same keys again, exact strikes and what the wire may not rewrite are tested where they
are done: with the effects, the link and the injector.
"""

from __future__ import annotations

import pytest
from check_builders import SECOND, Run, found, judged, name, only, queue
from test_duplicated import doubled_by_a_lost_ack

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.faults import broker_restart, connection_drop, consumer_crash
from pytest_mqchaos.model.triggers import ack, delivery, effect


def violations(run: Run, promise: str = "at-least-once", **fields: object) -> list[str]:
    """Return the names of what breaks the promise."""
    return [each for each in found(run, promise, **fields) if not each.startswith("(")]


# --- clocks ---------------------------------------------------------------------------------------------


def test_clocks_the_order_is_the_probes_not_the_stamps() -> None:
    """An effect that is read after the ack, though it was there before, is no ack before its work."""
    run = Run(1).subscribe().publish()
    run.ack(run.deliver(1), effect_seen=True).effect(1).settled()
    assert judged(run) == ([], [])


def test_clocks_unflushed_writes_are_caught() -> None:
    """An effect that the probe did not find at the ack proves that the ack came first."""
    run = Run(1).subscribe().publish()
    run.ack(run.deliver(1), effect_seen=False).effect(1).settled()
    assert [one.kind for one in judged(run)[1]] == ["acked_before_effect"]


def test_clocks_a_fault_at_that_moment_proves_the_order() -> None:
    """Where effects are asked for at the end only, a crash after the ack that loses the work proves it."""
    run = Run(1).start().subscribe().publish().plan(consumer_crash(after=ack(1)))
    run.ack(run.deliver(1), effect_seen=None).barrier().crash(fault=0).start().subscribe().settled()
    assert "(acked_before_effect:confirmed)" in found(run, ordered_evidence=False)


# --- after=effect(n) ------------------------------------------------------------------------------------


def test_after_effect_the_ack_that_was_held_dies_with_the_connection() -> None:
    """A consumer that was struck between its effect and its ack has done its work."""
    run = Run(2).start().subscribe().publish().plan(consumer_crash(after=effect(1)))
    hand = run.deliver(1)
    run.effect(1).crash(fault=0).ack(hand, effect_seen=True, passed=False).start().subscribe()
    again = run.deliver(1, redelivered=True)
    run.ack(again, effect_seen=True).work(2).settled()
    assert violations(run, "exactly-once") == []


# --- slow is not stuck ----------------------------------------------------------------------------------


def test_slow_is_not_stuck() -> None:
    """A slow handler that answers in the end is no finding."""
    run = Run(2).subscribe(prefetch=50).publish()
    hands = [run.deliver(1), run.deliver(2)]
    for number, hand in enumerate(hands, start=1):
        run.wait(20 * SECOND).effect(number).ack(hand, effect_seen=True)
    assert judged(run.settled()) == ([], [])


# --- work after the ack ---------------------------------------------------------------------------------


def test_work_after_the_ack_is_never_a_loss() -> None:
    """Automatic ack and effects that come long after are hazards, never a loss."""
    run = Run(2).subscribe(auto_ack=True).publish()
    run.deliver(1, auto_ack=True)
    run.deliver(2, auto_ack=True)
    run.census(times=2).wait(3 * SECOND).effect(1, 2).settled()
    assert found(run) == {}
    assert [one.kind for one in judged(run)[1]] == ["auto_ack", "late_effect"]


# --- fan-out, cycles, copies ----------------------------------------------------------------------------


def test_fan_out_to_two_queues() -> None:
    """Two bound queues: delivered twice, and sound."""
    run = Run(1, to="", expect=2).bind("events", "fanout", ("", "mail"), ("", "bill"))
    run.subscribe("mail").subscribe("bill").publish(exchange="events", routing_key="")
    run.work(1, queue_name="mail").work(1, queue_name="bill").settled(queue("mail"), queue("bill"))
    assert judged(run, "exactly-once") == ([], [])


def test_a_cycle_through_time_to_live_and_dead_letter() -> None:
    """A delayed retry through TTL and dead letter: delivered three times, and sound."""
    run = Run(1).subscribe().publish()
    run.nack(run.deliver(1), requeue=False).wait(100)
    run.nack(run.deliver(1, deaths="one"), requeue=False).wait(100)
    run.work(1, deaths="two")
    orders = queue("orders", dead_letter_exchange="", dead_letter_routing_key="wait")
    wait = queue("wait", message_ttl=0.1, dead_letter_exchange="", dead_letter_routing_key="orders")
    assert judged(run.settled(orders, wait), "exactly-once") == ([], [])


def test_a_retry_that_waits_is_not_settled_and_not_lost() -> None:
    """A message in a waiting room is on its way."""
    run = Run(1).subscribe().publish()
    run.nack(run.deliver(1), requeue=False)
    orders = queue("orders", dead_letter_exchange="", dead_letter_routing_key="wait")
    wait = queue("wait", ready=1, message_ttl=5.0, dead_letter_exchange="", dead_letter_routing_key="orders")
    run.census(orders, wait, times=2)
    ledger = run.ledger()
    assert ledger.settled() == (False, "`wait` holds 1 ready")
    assert (ledger.waiting_messages(), ledger.longest_wait()) == (1, 5.0)
    assert violations(run.unsettled(orders, wait)) == ["stalled:waiting_room"]


def test_a_copy_published_before_the_first_is_acked() -> None:
    """A retry that publishes a copy, with fresh properties, before it acks the first: sound, also by the same queue."""
    run = Run(1).subscribe().publish()
    first = run.deliver(1)
    run.republish(1, "orders")
    second = run.deliver(1)
    run.ack(first, effect_seen=False).effect(1).ack(second, effect_seen=True).settled()
    assert judged(run, "exactly-once") == ([], [])


def test_losing_the_copy_between_its_publish_and_the_ack_is_a_loss() -> None:
    """A retry whose copy never reached a queue, and whose first was acked, is lost."""
    run = Run(1).subscribe().publish()
    hand = run.deliver(1)
    run.republish(1, "orders", passed=False).ack(
        hand, effect_seen=False
    ).barrier().lose().subscribe().settled()
    assert only(run, "lost").claim.endswith("it published a copy and acknowledged, and the copy is nowhere")


# --- batches --------------------------------------------------------------------------------------------


def test_batches_multiple_acks_out_of_order_on_several_channels_and_connections() -> None:
    """Acks of many, late, out of order, on channels and connections whose tags all start at 1."""
    run = Run(6).subscribe().publish()
    run.add(e.LinkOpened, link="worker", connection=99)
    hands = [run.deliver(1), run.deliver(2), run.deliver(3, channel=2), run.deliver(4, channel=2)]
    for number, tag in ((5, 1), (6, 2)):
        run.add(
            e.Delivered,
            message=name(number),
            link="worker",
            connection=99,
            channel=1,
            tag=tag,
            queue="orders",
        )
    run.effect(1, 2, 3, 4, 5, 6)
    run.ack(hands[3], hands[2], effect_seen=True, multiple=True).ack(hands[1], hands[0], effect_seen=True)
    for number, tag in ((6, 2), (5, 1)):
        run.add(
            e.Acked, message=name(number), link="worker", connection=99, channel=1, tag=tag, effect_seen=True
        )
    assert judged(run.settled(), "exactly-once") == ([], [])


def test_batches_channel_numbers_and_tags_are_used_again() -> None:
    """A channel that is closed and opened again starts with tag 1: what was open before is the broker's."""
    run = Run(2).subscribe().publish()
    run.add(e.Delivered, message=name(1), link="worker", connection=11, channel=5, tag=1, queue="orders")
    run.add(e.ChannelClosed, link="worker", connection=11, channel=5, by="client")
    run.add(e.Delivered, message=name(2), link="worker", connection=11, channel=5, tag=2, queue="orders")
    run.add(e.ChannelOpened, link="worker", connection=11, channel=5)
    for number in (1, 2):
        place = {"link": "worker", "connection": 11, "channel": 5, "tag": number}
        run.add(e.Delivered, message=name(number), queue="orders", redelivered=True, **place)
        run.effect(number).add(e.Acked, message=name(number), effect_seen=True, **place)
    assert found(run.settled()) == {"(redelivered:explained)": [1, 2]}


# --- foreign traffic ------------------------------------------------------------------------------------


def test_foreign_traffic_is_left_alone() -> None:
    """Messages without an id or key of this run are nobody's finding, delivered, kept or settled."""
    run = Run(1).subscribe().publish().work(1)
    run.ack(run.deliver(None))
    run.nack(run.deliver(None))
    run.deliver(None)
    run.settle(e.Acked, run.deliver(None, auto_ack=True))
    run.add(e.Rested, message=None, queue="orders.dead", death_reason="rejected")
    run.settled(queue("orders", unacknowledged=1))
    assert run.ledger().settled()[0]
    assert judged(run) == ([], [])


def test_foreign_traffic_hides_no_loss() -> None:
    """A foreign message that stays in hand does not stand for one of ours that is gone."""
    run = Run(2).subscribe().publish().work(1)
    run.deliver(None)
    assert violations(run.settled(queue("orders", unacknowledged=1))) == ["lost:by_broker"]


# --- the publisher is a suspect too ---------------------------------------------------------------------


def test_unconfirmed_is_not_lost() -> None:
    """A publish that was never answered, failed, returned or refused is not lost."""
    run = Run(5).subscribe().publish(1).work(1)
    run.publish(2, confirm=False).add(e.PublishFailed, message=name(3), reason="no connection")
    run.publish(4, confirm=False).answer(4, e.Returned, code=312, text="NO_ROUTE").answer(4)
    run.publish(5, confirm=False).answer(5, e.PublishNacked)
    assert found(run.lose("publisher").settled()) == {}


def test_a_return_beats_the_confirm_that_follows_it() -> None:
    """A message that no queue took was not taken, whatever the confirm says."""
    run = Run(1).subscribe().publish(confirm=False).answer(1, e.Returned, code=312).answer(1).settled()
    assert run.ledger().records[name(1)].outcome == "returned"
    assert found(run) == {}


def test_an_indeterminate_publish_that_arrived_is_worked_on() -> None:
    """A publish whose confirm was lost may arrive, and is no duplicate and nothing unexpected."""
    run = Run(1).subscribe().publish(confirm=False).lose("publisher").work(1).settled()
    assert judged(run, "exactly-once") == ([], [])


def test_an_indeterminate_publish_keeps_nobody_waiting() -> None:
    """Once its connection is gone, a publish without an answer is not waited for."""
    run = Run(2).subscribe().publish(1).publish(2, confirm=False).work(1).census(times=2)
    assert run.ledger().settled() == (False, "1 publications wait for their confirm")
    run.add(e.LinkLost, link="publisher", connection=1, by="fault")
    assert run.ledger().settled() == (True, "")


# --- a broker crash forgets -----------------------------------------------------------------------------


def test_a_broker_crash_forgets_acks_that_were_processed() -> None:
    """Acks that were processed before a crash come back: explained by it, never illegal."""
    run = (
        Run(3)
        .subscribe()
        .publish()
        .work(1, 2, 3)
        .barrier()
        .census(times=2)
        .restart_broker("crash")
        .subscribe()
    )
    run.work(1, 2, 3, redelivered=True).settled()
    assert violations(run) == []
    assert violations(run, "at-most-once") == []
    assert violations(run, "exactly-once") == ["duplicated:by_broker"]


# --- delivery limits, ack time-outs ---------------------------------------------------------------------


def test_delivery_limits_assume_nothing() -> None:
    """A count in a header explains and accuses nothing: deliveries are those of the wire."""
    run = Run(1).subscribe().publish().work(1, delivery_count=19, redelivered=True).settled()
    assert judged(run) == ([], [])


def test_an_ack_time_out_that_cancels_the_consumer() -> None:
    """4.3 cancels the consumer and takes its messages back: a late ack settles nothing, and is no second one."""
    run = Run(1).subscribe().publish()
    hand = run.deliver(1)
    run.on_channel(e.ConsumerCancelled, consumer_tag="worker-orders", queue="orders").effect(1)
    run.ack(hand, effect_seen=True).barrier().subscribe()
    run.ack(run.deliver(1, redelivered=True), effect_seen=True).settled()
    assert found(run, "exactly-once") == {"(redelivered:explained)": [1]}


def test_an_ack_that_the_cancel_crossed() -> None:
    """An ack that was on its way when the broker cancelled its subscription settles nothing either."""
    run = Run(1).subscribe().publish().work(1)
    run.on_channel(e.ConsumerCancelled, consumer_tag="worker-orders", queue="orders").barrier().subscribe()
    run.ack(run.deliver(1, redelivered=True), effect_seen=True).settled()
    assert violations(run) == []


def test_an_ack_time_out_that_closes_the_channel() -> None:
    """4.0 closes the channel: the redelivery is explained."""
    run = Run(1).subscribe().publish()
    run.deliver(1)
    run.on_channel(e.ChannelClosed, by="broker", code=406, text="PRECONDITION_FAILED - delivery timed out")
    run.on_channel(e.ChannelOpened).subscribe().work(1, redelivered=True).settled()
    assert violations(run) == []


# --- accepting is not failing ---------------------------------------------------------------------------


def test_accepting_is_not_failing() -> None:
    """Poison that is settled without effect where no dead-letter queue is to be had is a discard."""
    run = Run(1, poison=2).subscribe().publish().work(1)
    run.ack(run.deliver(2), effect_seen=False).work(3).settled()
    assert found(run) == {"(poison_effected:accepted)": [3]}


# --- late kills -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("also", [(), (3, 4)])
def test_late_kills_a_reset_doubles_what_had_begun(also: tuple[int, ...]) -> None:
    """Under prefetch n, what a consumer had begun before it noticed a reset is truly doubled, and said so."""
    run = Run(5).subscribe().publish().plan(connection_drop(after=delivery(4)))
    for number in (1, 2, 3, 4):
        run.deliver(number)
    run.effect(1).fire(0, at=4).lose().effect(*also).subscribe()
    for number in (1, 2, 3, 4):
        run.effect(number).ack(run.deliver(number, redelivered=True), effect_seen=True)
    run.work(5).settled()
    assert found(run, "exactly-once")["duplicated:by_redelivery"] == [1, *also]
    assert only(run, "duplicated", "exactly-once").cause == "connection_drop(after=delivery(4))"


def test_a_consumer_that_may_still_be_working_is_known() -> None:
    """A consumer that lost its link with deliveries in hand is absent until it comes back or ends."""
    run = Run(1).start().subscribe().publish()
    run.deliver(1)
    run.lose()
    assert run.ledger().absent() == {"worker"}
    assert run.subscribe().ledger().absent() == set()
    run.deliver(1, redelivered=True)
    assert run.lose().end().ledger().absent() == set()


# --- drain ----------------------------------------------------------------------------------------------


def test_drain_what_is_handed_back_on_sigterm_is_explained() -> None:
    """A consumer that finishes one and hands the rest back by closing its channel did right."""
    run = Run(3).start().subscribe().publish()
    first, _, _ = run.deliver(1), run.deliver(2), run.deliver(3)
    run.effect(1).ack(first, effect_seen=True).on_channel(e.ChannelClosed, by="client")
    run.lose(by="client", clean=True).end(exit_code=0).start().subscribe()
    run.work(2, 3, redelivered=True).settled()
    assert found(run, "exactly-once") == {"(redelivered:explained)": [2, 3]}


# --- the fault's own shadow -----------------------------------------------------------------------------


def test_the_faults_own_shadow_an_ack_that_was_eaten() -> None:
    """An ack that was passed on and that the cut ate settles nothing: the redelivery is explained, no loss."""
    run = Run(2).subscribe().publish().plan(connection_drop(after=ack(1)))
    run.work(1).fire(0, at=1).lose().subscribe().ack(run.deliver(1, redelivered=True), effect_seen=True)
    assert found(run.work(2).settled(), "exactly-once") == {"(redelivered:explained)": [1]}


def test_an_ack_on_a_lost_link_is_neither_lost_nor_settled() -> None:
    """Until it is seen again or counted, what was acked on a lost link is still the broker's."""
    run = Run(1).subscribe().publish().work(1).lose()
    record = run.ledger().records[name(1)]
    assert (record.copies[0].state, record.terminal) == ("ready", False)
    run.census(times=2)
    record = run.ledger().records[name(1)]
    assert (record.copies[0].state, record.terminal) == ("settled", True)


# --- a clean broker restart, and idempotence -------------------------------------------------------------


def test_a_broker_restart_under_a_correct_consumer() -> None:
    """A clean restart redelivers what was in hand and nothing else."""
    run = Run(4).subscribe().publish().plan(broker_restart(after=delivery(2))).work(1)
    run.deliver(2)
    run.fire(0, "broker").restart_broker("restart", "worker", "publisher").subscribe()
    run.work(2, redelivered=True).work(3, 4).settled()
    assert found(run, "exactly-once") == {"(redelivered:explained)": [2]}


def test_a_store_of_ids_passes_exactly_once() -> None:
    """A consumer that remembers is delivered twice and promises exactly once."""
    assert violations(doubled_by_a_lost_ack(idempotent=True), "exactly-once") == []
