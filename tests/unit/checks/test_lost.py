"""Lost: confirmed, good, without its effect, and nowhere any more."""

from __future__ import annotations

from typing import Any

import pytest
from check_builders import Run, found, name, only, queue

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.faults import broker_restart, connection_drop, consumer_crash
from pytest_mqchaos.model.triggers import ack, delivery


def crashed_after_its_ack() -> Run:
    """A consumer that acknowledges before its work is killed in between."""
    run = Run(3).start().subscribe().publish().plan(consumer_crash(after=ack(2)))
    first = run.deliver(1)
    run.ack(first, effect_seen=False).effect(1)
    second = run.deliver(2)
    run.ack(second, effect_seen=False).barrier().crash(fault=0)
    return run.start().subscribe().work(3).settled()


def test_automatic_ack_and_a_consumer_that_comes_back() -> None:
    """What died with the cut is the cut's, though the consumer went on to later messages on its next connection."""
    run = Run(2).start().subscribe(auto_ack=True).publish().plan(connection_drop(after=delivery(1)))
    run.deliver(1, auto_ack=True)
    run.fire(0, at=1).lose().subscribe(auto_ack=True)
    run.deliver(2, auto_ack=True)
    finding = only(run.effect(2).settled(), "lost")
    assert finding.cause.startswith("connection_drop(after=delivery(1))")


def test_automatic_ack_and_a_cut_that_came_later() -> None:
    """A message that the consumer had passed over by then was not lost by it."""
    run = Run(3).start().subscribe(auto_ack=True).publish().plan(connection_drop(after=delivery(2)))
    run.deliver(1, auto_ack=True)
    run.deliver(2, auto_ack=True)
    run.effect(2).fire(0, at=2).lose().subscribe(auto_ack=True)
    run.deliver(3, auto_ack=True)
    finding = only(run.effect(3).settled(), "lost")
    assert finding.cause == "no fault explains it: worker went on to later messages"


def test_an_ack_before_the_work_is_a_loss_by_the_consumer() -> None:
    """A consumer that is killed between its ack and its work loses exactly that message."""
    finding = only(crashed_after_its_ack(), "lost")
    assert (finding.name, finding.violation, finding.messages) == (
        "lost:by_consumer",
        True,
        ("orders-k3f9-000002",),
    )
    assert finding.claim == "lost by the consumer: its ack reached the broker, its work was never done"
    assert finding.cause == "consumer_crash(after=ack(2))"
    assert finding.fault == 0
    assert finding.mend == "acknowledge after the work"


def test_what_was_in_hand_besides_does_not_hide_the_cause() -> None:
    """Under a prefetch, later messages that were worked on after the restart do not excuse the crash."""
    run = Run(3).start().subscribe().publish().plan(consumer_crash(after=ack(1)))
    first, _, _ = run.deliver(1), run.deliver(2), run.deliver(3)
    run.ack(first, effect_seen=False).barrier().crash(fault=0)
    finding = only(run.start().subscribe().work(2, 3, redelivered=True).settled(), "lost")
    assert (finding.cause, len(finding.messages)) == ("consumer_crash(after=ack(1))", 1)


def test_no_fault_explains_what_a_consumer_passed_over() -> None:
    """A message that a consumer acknowledged and went on without is nobody's fault but its own."""
    run = Run(2).start().subscribe().publish().plan(consumer_crash(after=ack(2)))
    run.ack(run.deliver(1), effect_seen=False).work(2).barrier().crash(fault=0).start().subscribe().settled()
    assert only(run, "lost").cause == "no fault explains it: worker went on to later messages"


@pytest.mark.parametrize("early", [True, False])
def test_what_a_child_was_at_when_it_was_killed(early: bool) -> None:
    """Its parent goes on, and acks before the child begins or when it sees it dead: the crash explains the loss."""
    run = Run(3).start().subscribe().publish().plan(consumer_crash(after=delivery(2), process="child"))
    run.work(1)
    second = run.deliver(2)
    if early:
        run.ack(second, effect_seen=False)
    run.fire(0, at=2)
    if not early:
        run.ack(second, effect_seen=False)
    finding = only(run.work(3).settled(), "lost")
    assert (finding.cause, finding.fault) == ("consumer_crash(after=delivery(2), process='child')", 0)


def test_a_killed_child_explains_nothing_that_was_passed_over_before_or_came_later() -> None:
    """What was acked while later work was done was nobody's when the child died, nor what came after that."""
    run = Run(4).start().subscribe().publish().plan(consumer_crash(after=delivery(2), process="child"))
    run.ack(run.deliver(1), effect_seen=False).work(2).fire(0, at=2)
    run.ack(run.deliver(3), effect_seen=False)
    finding = only(run.work(4).settled(), "lost")
    assert finding.cause == "no fault explains it: worker went on to later messages"
    assert len(finding.messages) == 2


def test_what_a_client_had_read_with_automatic_ack_when_it_was_cut() -> None:
    """Messages read with automatic ack that a client threw away with its connection are blamed on the cut."""
    run = Run(2).start().subscribe(auto_ack=True).publish().plan(connection_drop(after=delivery(2)))
    run.deliver(1, auto_ack=True)
    run.deliver(2, auto_ack=True)
    run.effect(1).fire(0, at=2).lose().subscribe(auto_ack=True).settled()
    assert only(run, "lost").cause == "connection_drop(after=delivery(2))"


def test_an_ack_after_the_work_loses_nothing() -> None:
    """The same crash finds nothing at a consumer that works first."""
    run = Run(3).start().subscribe().publish().plan(consumer_crash(after=ack(2)))
    run.work(1, 2).barrier().crash(fault=0)
    assert found(run.start().subscribe().work(3).settled()) == {}


def test_automatic_ack() -> None:
    """What was read with automatic ack and not worked on when the process was killed is lost."""
    run = Run(3).start().subscribe(auto_ack=True).publish().plan(consumer_crash(after=ack(1)))
    for number in (1, 2, 3):
        run.deliver(number, auto_ack=True)
    run.effect(1).crash(fault=0).start().subscribe(auto_ack=True).settled()
    finding = only(run, "lost")
    assert finding.name == "lost:by_consumer"
    assert finding.claim.startswith("lost by the consumer: read with automatic ack")
    assert finding.messages == ("orders-k3f9-000002", "orders-k3f9-000003")


def test_rejected_without_a_dead_letter_exchange_is_lost_by_policy() -> None:
    """A good message that is rejected where no dead-letter exchange is set is gone by the queue's policy."""
    run = Run(2).subscribe().publish()
    run.nack(run.deliver(1), requeue=False)
    finding = only(run.work(2).settled(), "lost")
    assert finding.name == "lost:by_policy"
    assert finding.claim == "lost by policy: rejected by worker, and `orders` has no dead-letter exchange"


def test_expired_in_its_queue_is_lost_by_policy() -> None:
    """A message that a queue's time to live took away is lost by policy, though nobody rejected it."""
    run = Run(2).subscribe().publish().work(1).settled(queue("orders", message_ttl=2.0))
    assert found(run) == {"lost:by_policy": [2]}


def expiring(milliseconds: str) -> Run:
    """Two messages with a time to live of their own, of which one is worked on."""
    run = Run(2).subscribe()
    for number in (1, 2):
        run.add(e.Published, message=name(number), routing_key="orders", expiration=milliseconds,
                link="publisher", connection=1, channel=1)  # fmt: skip
        run.answer(number)
    return run.work(1).wait(200)


def test_expired_by_itself_is_lost_by_policy() -> None:
    """A message whose own expiration was over, and that no dead-letter exchange took, is lost by policy."""
    finding = only(expiring("100").settled(), "lost")
    assert (finding.name, finding.messages) == ("lost:by_policy", (name(2),))
    assert (
        finding.claim == "lost by policy: its own expiration of 0.1 s was over and is dead-lettered nowhere"
    )


def test_an_expiration_that_was_not_over_explains_nothing() -> None:
    """A message that is gone before its time was taken by somebody else."""
    assert found(expiring("60000").settled()) == {"lost:by_broker": [2]}


def test_never_delivered_and_gone_is_lost_by_the_broker() -> None:
    """A confirmed message that was never delivered and that no queue holds is the broker's loss."""
    assert found(Run(2).subscribe().publish().work(1).settled()) == {"lost:by_broker": [2]}


def test_never_seen_on_its_way_to_an_automatic_ack() -> None:
    """What a broker had sent with automatic ack to a connection that was cut is not the broker's loss."""
    run = Run(2).subscribe(auto_ack=True).publish()
    run.deliver(1, auto_ack=True)
    run.effect(1).lose().subscribe(auto_ack=True).settled()
    finding = only(run, "lost")
    assert (finding.name, finding.messages) == ("lost:in_transit", (name(2),))
    assert "worker, which read `orders` with automatic ack, lost its connection" in finding.claim


def test_delivered_never_read_never_again_is_lost_in_transit() -> None:
    """A delivery that a cut swallowed and that never comes again is lost in transit."""
    run = Run(1).subscribe().publish()
    run.deliver(1, passed=False)
    assert found(run.lose().subscribe().settled()) == {"lost:in_transit": [1]}


def test_still_in_the_queue_is_not_lost() -> None:
    """What is still ready is stalled, not lost."""
    run = Run(2).subscribe().publish().work(1).unsettled(queue("orders", ready=1))
    assert "lost:by_broker" not in found(run)


def test_one_of_two_queues_that_loses() -> None:
    """With two effects expected, one that is missing is a loss of the consumer that acknowledged without it."""
    run = Run(1, to="", expect=2).bind("events", "fanout", ("", "mail"), ("", "bill"))
    run.subscribe("mail", link="mailer").subscribe("bill", link="biller").publish(
        exchange="events", routing_key=""
    )
    run.work(1, link="mailer", queue_name="mail").ack(
        run.deliver(1, "bill", link="biller"), effect_seen=False
    )
    assert found(run.settled(queue("mail"), queue("bill"))) == {"lost:by_consumer": [1]}


@pytest.mark.parametrize("first", ["mailer", "biller"])
def test_of_two_queues_the_one_that_lost_is_blamed(first: str) -> None:
    """Of two consumers the one that showed no work is the cause, with the fault that struck it."""
    run = (
        Run(2, to="", expect=2)
        .bind("events", "fanout", ("", "mail"), ("", "bill"))
        .start("mailer")
        .start("biller")
    )
    run.subscribe("mail", link="mailer").subscribe("bill", link="biller").publish(
        exchange="events", routing_key=""
    )
    run.plan(consumer_crash(after=ack(1, queue="bill"), consumer="biller"))
    if first == "mailer":
        run.work(1, 2, link="mailer", queue_name="mail")
    run.ack(run.deliver(1, "bill", link="biller"), effect_seen=False).barrier("biller").crash(
        "biller", fault=0
    )
    if first == "biller":
        run.work(1, 2, link="mailer", queue_name="mail")
    run.start("biller").subscribe("bill", link="biller").work(2, link="biller", queue_name="bill")
    finding = only(run.settled(queue("mail"), queue("bill")), "lost")
    assert finding.messages == ("orders-k3f9-000001",)
    assert finding.cause == "consumer_crash(after=ack(1, queue='bill'), consumer='biller')"


def test_both_of_two_queues_worked_on() -> None:
    """With two effects expected and shown, nothing is found."""
    run = Run(1, to="", expect=2).bind("events", "fanout", ("", "mail"), ("", "bill"))
    run.subscribe("mail", link="mailer").subscribe("bill", link="biller").publish(
        exchange="events", routing_key=""
    )
    run.work(1, link="mailer", queue_name="mail").work(1, link="biller", queue_name="bill")
    assert found(run.settled(queue("mail"), queue("bill"))) == {}


def test_a_worker_that_does_nothing_is_unknown_without_effects() -> None:
    """Without a source of effects, whether an acknowledged message was worked on cannot be judged."""
    run = Run(2).subscribe().publish()
    run.ack(run.deliver(1), run.deliver(2)).settled()
    finding = only(run, "lost", evidence="unknown")
    assert (finding.unknown, finding.violation, len(finding.messages)) == (True, True, 2)
    assert "probe.effect(id)" in finding.mend
    assert "mqchaos.effects(...)" in finding.mend


def test_a_worker_that_does_nothing_is_caught_with_effects() -> None:
    """With a source of effects, a worker that acknowledges everything and does nothing loses everything."""
    run = Run(2).subscribe().publish()
    run.ack(run.deliver(1), run.deliver(2)).settled()
    assert found(run, evidence="effects") == {"lost:by_consumer": [1, 2]}


def test_the_brokers_view_counts_an_ack_as_work() -> None:
    """With the broker's evidence an acknowledged message is worked on."""
    run = Run(2).subscribe().publish()
    run.ack(run.deliver(1), run.deliver(2)).settled()
    assert found(run, evidence="broker") == {}


def test_an_inexact_census_makes_it_unknown() -> None:
    """Where a queue could not be counted exactly, what rests on it is unknown, never a pass."""
    run = Run(1).subscribe().publish().settled(queue("orders", exact=False))
    assert found(run) == {"lost:by_broker?": [1]}


def test_purged_by_the_consumer() -> None:
    """A consumer that empties its queue loses what was in it."""
    run = Run(1).subscribe().publish()
    run.on_channel(e.QueuePurged, queue="orders", count=1).settled()
    finding = only(run, "lost")
    assert (finding.name, finding.claim) == (
        "lost:by_consumer",
        "lost by the consumer: worker purged `orders`",
    )


def test_losing_nothing_is_no_promise_of_at_most_once() -> None:
    """Under at-most-once a loss is reported and is no violation."""
    finding = only(crashed_after_its_ack(), "lost", "at-most-once")
    assert (finding.name, finding.violation) == ("lost:by_consumer", False)


@pytest.mark.parametrize(
    ("settings", "claim"),
    [
        ({"message_ttl": 2.0}, "`orders` drops messages after 2 s and dead-letters them nowhere"),
        ({"max_length": 10}, "`orders` holds at most 10 messages and dead-letters them nowhere"),
        ({"max_length_bytes": 99}, "`orders` holds at most 99 bytes and dead-letters them nowhere"),
        ({"expires": 5.0}, "`orders` is deleted after 5 s without a consumer"),
        ({"exclusive": True}, "`orders` is exclusive and went with its consumer"),
        ({"auto_delete": True}, "`orders` is auto-delete and went with its consumer"),
        (
            {"max_length": 10, "dead_letter_exchange": "gone"},
            "`orders` holds at most 10 messages and nothing kept them",
        ),
    ],
)
def test_what_a_policy_took(settings: dict[str, Any], claim: str) -> None:
    """A message that was never delivered, and that its queue may have thrown away, is lost by that policy."""
    run = Run(2).subscribe().publish().work(1).settled(queue("orders", **settings))
    finding = only(run, "lost")
    assert (finding.name, finding.claim) == ("lost:by_policy", f"lost by policy: {claim}")


def test_a_good_message_given_up_by_the_delivery_limit() -> None:
    """A good message that went back too often is lost by the limit."""
    run = Run(1).subscribe().publish()
    for turn in range(3):
        run.nack(run.deliver(1, redelivered=turn > 0))
    finding = only(run.settled(queue("orders", type="quorum", delivery_limit=3)), "lost")
    assert (
        finding.claim
        == "lost by policy: `orders` gives messages up after 3 returns and dead-letters them nowhere"
    )


def test_a_dead_letter_that_reached_no_queue() -> None:
    """A rejected message whose dead-letter exchange leads nowhere is lost by policy."""
    run = Run(1).subscribe().publish()
    run.nack(run.deliver(1), requeue=False).settled(queue("orders", dead_letter_exchange="dlx"))
    finding = only(run, "lost")
    assert (
        finding.claim == "lost by policy: rejected by worker, and dead letters of `orders` reached no queue"
    )
    assert "'dlx'" in finding.mend


def test_a_dead_letter_that_the_broker_dropped() -> None:
    """A rejected message whose dead-letter queue is there and never had it is the broker's loss, with its restart."""
    run = Run(1).subscribe().publish().plan(broker_restart(after=delivery(1)))
    run.deliver(1)
    run.fire(0, "broker").restart_broker().subscribe().nack(run.deliver(1, redelivered=True), requeue=False)
    back = {"dead_letter_exchange": "", "dead_letter_routing_key": "orders", "message_ttl": 0.1}
    orders = queue("orders", type="quorum", dead_letter_exchange="", dead_letter_routing_key="wait")
    finding = only(run.settled(orders, queue("wait", **back)), "lost")
    assert (finding.name, finding.cause) == ("lost:by_broker", "broker_restart(after=delivery(1))")
    assert finding.claim == "lost by the broker: rejected by worker, and its dead letter never came to `wait`"


def test_automatic_ack_on_a_connection_that_was_cut() -> None:
    """A message sent with automatic ack that a cut kept from the client is lost in transit."""
    run = Run(1).subscribe(auto_ack=True).publish().plan(connection_drop(before=delivery(1)))
    run.deliver(1, auto_ack=True, passed=False)
    finding = only(run.fire(0, at=1).lose().subscribe(auto_ack=True).settled(), "lost")
    assert (finding.name, finding.cause) == ("lost:in_transit", "connection_drop(before=delivery(1))")


def test_a_consumer_that_ended_by_itself() -> None:
    """A consumer that ends between its ack and its work is the cause, with its exit code."""
    run = Run(1).start().subscribe().publish()
    run.ack(run.deliver(1), effect_seen=False).end(by="itself", exit_code=5).lose(by="client").settled()
    assert only(run, "lost").cause == "worker ended by itself with exit code 5"


def test_without_any_census() -> None:
    """Where no census could be had, a missing effect is unknown."""
    run = Run(1).subscribe().publish()
    run.ack(run.deliver(1), effect_seen=False).add(e.SettleEnded, settled=True)
    finding = only(run, "lost")
    assert (finding.unknown, finding.claim.endswith("no census was taken")) == (True, True)


def test_at_rest_where_nobody_could_read() -> None:
    """A message that may rest in a queue that could not be read is unknown, not lost."""
    run = Run(1).subscribe().publish()
    orders = queue("orders", dead_letter_exchange="", dead_letter_routing_key="dead")
    run.nack(run.deliver(1), requeue=False).settled(orders, queue("dead", ready=1))
    finding = only(run, "lost")
    assert finding.unknown
    assert finding.claim.endswith("what rests in `dead` could not be read")


def test_a_queue_that_is_gone_is_known_by_its_declaration() -> None:
    """A queue that no census saw is what its consumer declared."""
    run = Run(1).subscribe().publish()
    run.on_channel(e.QueueDeclared, queue="orders", auto_delete=True).census(queue("other"), times=2)
    run.add(e.SettleEnded, settled=True)
    assert only(run, "lost").claim == "lost by policy: `orders` is auto-delete and went with its consumer"


def test_a_commit_whose_answer_was_eaten() -> None:
    """What was acked in a transaction may be carried out, though the answer to its commit died with the link."""
    run = Run(1).subscribe().publish()
    run.ack(run.deliver(1), transactional=True).on_channel(e.CommitSent).lose().subscribe().settled()
    assert found(run, evidence="broker") == {}


def test_acks_of_a_transaction_that_was_never_committed() -> None:
    """They settle nothing: who dies before the commit has the message in hand."""
    run = Run(1).subscribe().publish()
    run.ack(run.deliver(1), transactional=True).lose().subscribe().settled()
    assert found(run, evidence="broker") == {"lost:in_transit": [1]}


def test_two_links_that_were_read_in_another_order() -> None:
    """A message that one consumer acked is not lost with the link of the one that had it before."""
    run = Run(1).subscribe(link="a").subscribe(link="b").publish()
    hand = run.deliver(1, link="b", redelivered=True)
    run.deliver(1, link="a")
    run.lose("a", by="broker").ack(hand).barrier("b").settled()
    assert "lost:in_transit" not in found(run, evidence="broker")


def test_a_copy_for_later_that_never_arrived() -> None:
    """By the broker's view, too, a message is lost whose consumer acked it behind a copy that is nowhere."""
    run = Run(1).subscribe().publish()
    hand = run.deliver(1)
    run.republish(1, "orders", passed=False).ack(hand).barrier().lose().subscribe().settled()
    assert found(run, evidence="broker") == {"lost:by_consumer": [1]}
    again = Run(1).subscribe().publish()
    hand = again.deliver(1)
    again.republish(1, "orders").ack(hand).ack(again.deliver(1)).barrier().settled()
    assert found(again, evidence="broker") == {}


@pytest.mark.parametrize(("waits", "lost"), [(1, {}), (0, {"lost:by_consumer": [1]})])
def test_dead_letters_that_an_exchange_copies(waits: int, lost: dict[str, list[int]]) -> None:
    """Where dead letters fan out to a waiting room and a queue that is read, the second wait is no loss."""
    run = (
        Run(1)
        .bind("dlx", "fanout", ("", "wait"), ("", "audit"))
        .subscribe()
        .subscribe("audit", link="auditor")
    )
    run.publish()
    for deaths in (None, "1"):
        run.nack(run.deliver(1, deaths=deaths), requeue=False)
        copy = run.deliver(1, "audit", link="auditor", deaths=f"audit {deaths}")
        run.ack(copy, effect_seen=False).barrier("auditor").barrier()
    wait = queue("wait", waits, message_ttl=60.0, dead_letter_exchange="", dead_letter_routing_key="orders")
    orders = queue("orders", dead_letter_exchange="dlx")
    (run.unsettled if waits else run.settled)(orders, wait, queue("audit"))
    assert {kind: got for kind, got in found(run).items() if kind.startswith("lost")} == lost


@pytest.mark.parametrize("exchange", ["events", ""])
def test_an_event_that_is_published_before_the_ack(exchange: str) -> None:
    """What a consumer tells others, where nobody of the run works, is its work and no copy of the message."""
    run = Run(2).bind("events", "topic").subscribe().publish()
    for number in (1, 2):
        hand = run.deliver(number)
        run.republish(number, "order.shipped", exchange=exchange).ack(hand)
    assert found(run.barrier().settled(), evidence="broker") == {}
