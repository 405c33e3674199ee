"""Duplicated: more effects than expected."""

from __future__ import annotations

from check_builders import Run, found, only, queue

from pytest_mqchaos.model.faults import lost_ack, malformed_payload, repeated_publish
from pytest_mqchaos.model.triggers import ack


def doubled_by_a_lost_ack(*, idempotent: bool = False) -> Run:
    """A consumer works, its ack is swallowed, the message comes again."""
    run = Run(3).subscribe().publish().plan(lost_ack(before=ack(2))).work(1)
    hand = run.deliver(2)
    run.effect(2).ack(hand, effect_seen=True, passed=False).fire(0, at=2, actor="wire").lose().subscribe()
    again = run.deliver(2, redelivered=True)
    if not idempotent:
        run.effect(2)
    return run.ack(again, effect_seen=True).work(3).settled()


def test_a_lost_ack_doubles_work_that_is_not_idempotent() -> None:
    """Under exactly-once, the one message whose ack was swallowed is doubled, and the fault is the cause."""
    finding = only(doubled_by_a_lost_ack(), "duplicated", "exactly-once")
    assert (finding.name, finding.violation) == ("duplicated:by_redelivery", True)
    assert finding.messages == ("orders-k3f9-000002",)
    assert finding.claim == "worked on 2 times, expected 1: its first ack never reached the broker"
    assert (finding.cause, finding.fault) == ("lost_ack(before=ack(2))", 0)


def test_a_store_of_ids_keeps_exactly_once() -> None:
    """A consumer that remembers what it did is delivered twice and works once."""
    assert found(doubled_by_a_lost_ack(idempotent=True), "exactly-once") == {"(redelivered:explained)": [2]}


def test_doubled_work_is_information_at_least_once() -> None:
    """A duplicate breaks no promise of at-least-once."""
    assert "(duplicated:by_redelivery)" in found(doubled_by_a_lost_ack())


def test_a_crashed_broker_that_forgets_acks() -> None:
    """A broker crash brings processed acks back: explained, a violation of exactly-once only, never illegal."""
    run = Run(2).subscribe().publish().work(1, 2).barrier().restart_broker("crash").subscribe()
    run.work(1, 2, redelivered=True).settled()
    assert found(run, "exactly-once") == {
        "duplicated:by_broker": [1, 2],
        "(redelivered:explained)": [1, 2],
    }
    assert found(run, "at-most-once") == {
        "(duplicated:by_broker)": [1, 2],
        "(redelivered:explained)": [1, 2],
    }


def test_repeated_publish_at_most_once() -> None:
    """At most once means no more often than published; exactly once means one effect all the same."""
    run = Run(1).subscribe().publish(1).publish(1).work(1, 1).settled()
    assert found(run, "at-most-once") == {"(duplicated:by_publisher)": [1]}
    assert found(run, "exactly-once") == {"duplicated:by_publisher": [1]}


def test_automatic_ack_at_most_once() -> None:
    """Automatic ack loses and never doubles: a crash breaks no promise of at-most-once."""
    run = Run(2).start().subscribe(auto_ack=True).publish()
    run.deliver(1, auto_ack=True)
    run.deliver(2, auto_ack=True)
    run.effect(1).crash().start().subscribe(auto_ack=True).settled()
    assert [name for name in found(run, "at-most-once") if not name.startswith("(")] == []


def test_one_delivery_worked_on_twice() -> None:
    """Two effects of one delivery are the consumer's own doing."""
    run = Run(1).subscribe().publish()
    run.ack(run.deliver(1), effect_seen=True).effect(1, 1).settled()
    assert only(run, "duplicated", "exactly-once").detail == "by_consumer"


def test_two_queues_and_one_expected_effect() -> None:
    """A fan-out to two working queues with one effect expected says how to expect two."""
    run = Run(1, to="").bind("events", "fanout", ("", "mail"), ("", "bill"))
    run.subscribe("mail").subscribe("bill").publish(exchange="events", routing_key="")
    run.work(1, queue_name="mail").work(1, queue_name="bill").settled(queue("mail"), queue("bill"))
    finding = only(run, "duplicated", "exactly-once")
    assert (finding.detail, "expect=2" in finding.mend) == ("by_copies", True)


def test_effects_that_nobody_can_see() -> None:
    """Without effects, whether a message that came twice was worked on twice is unknown."""
    run = doubled_by_a_lost_ack(idempotent=True)
    assert found(run, "at-most-once", evidence="unknown")["duplicated?"] == [2]
    assert "duplicated?" not in found(Run(1).subscribe().publish().work(1).settled(), evidence="unknown")


def published_twice(*, notices: bool = False) -> Run:
    """The publisher sends one of three messages twice; a consumer that notices works on it once."""
    run = Run(3).subscribe().plan(malformed_payload(), repeated_publish()).publish(1, 2, 3, 2)
    run.fire(1, "orders", actor="publisher").work(1, 2, 3)
    again = run.deliver(2)
    if not notices:
        run.effect(2)
    return run.ack(again, effect_seen=True)


def test_a_repeated_publish_doubles_work_that_is_not_idempotent() -> None:
    """Two copies, two effects: doubled under exactly-once, with the fault as the cause; no copy came twice."""
    finding = only(published_twice().settled(), "duplicated", "exactly-once")
    assert (finding.name, finding.violation) == ("duplicated:by_publisher", True)
    assert finding.messages == ("orders-k3f9-000002",)
    assert finding.claim == "worked on 2 times, expected 1: it was published 2 times"
    assert (finding.cause, finding.fault) == ("repeated_publish()", 1)
    assert "remember the ids" in finding.mend


def test_a_store_of_ids_notices_a_repeated_publish() -> None:
    """Work once for two copies is right under every guarantee, and nothing was delivered again."""
    for promise in ("at-most-once", "at-least-once", "exactly-once"):
        assert "duplicated" not in str(found(published_twice(notices=True).settled(), promise))
        assert "redelivered" not in str(found(published_twice().settled(), promise))


def test_of_two_copies_each_is_judged_by_itself() -> None:
    """One copy left in hand is unacknowledged, though the other was worked on; one that came again is explained."""
    run = Run(1).subscribe().publish(1, 1).work(1)
    run.deliver(1)
    assert "unacknowledged:leaked" in found(run.unsettled(queue("orders", unacknowledged=1)))
    run = Run(1).subscribe().publish(1, 1)
    run.deliver(1)
    run.deliver(1)
    run.lose(by="client").subscribe()
    run.work(1, redelivered=True)
    run.ack(run.deliver(1, redelivered=True), effect_seen=True)
    assert found(run.settled(), "exactly-once") == {"(redelivered:explained)": [1]}


def test_both_copies_must_be_gone_for_a_loss() -> None:
    """A copy that was dropped is no loss while the other was worked on; both dropped without work are one."""
    run = Run(1).subscribe().publish(1, 1)
    run.ack(run.deliver(1), effect_seen=False)
    assert "lost" not in str(found(run.work(1).settled()))
    run = Run(1).subscribe().publish(1, 1)
    run.ack(run.deliver(1), effect_seen=False)
    run.ack(run.deliver(1), effect_seen=False)
    assert found(run.settled())["lost:by_consumer"] == [1]
