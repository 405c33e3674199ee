"""Vacuous: a planned fault that tested nothing."""

from __future__ import annotations

from check_builders import Run, findings, found, only

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.faults import (
    broker_restart,
    connection_drop,
    consumer_crash,
    lost_confirm,
    malformed_payload,
    repeated_publish,
    stall,
)
from pytest_mqchaos.model.triggers import ack, delivery, seconds


def test_a_fault_that_never_struck() -> None:
    """A moment that never came proves nothing, and what was seen instead is said."""
    run = Run(2).subscribe().publish().plan(connection_drop(after=delivery(50))).work(1, 2).settled()
    finding = only(run, "vacuous")
    assert finding.claim == "connection_drop(after=delivery(50)) never struck"
    assert finding.cause == "it waited for delivery(50), and there were 2 in all"


def test_a_moment_of_a_queue_that_is_not_there() -> None:
    """How many came from that queue is what tells, and how many came at all."""
    run = (
        Run(2)
        .subscribe()
        .publish()
        .plan(connection_drop(after=delivery(2, queue="order")))
        .work(1, 2)
        .settled()
    )
    cause = only(run, "vacuous").cause
    assert cause == "it waited for delivery(2, queue='order'), and there were 0 from `order`, 2 in all"


def test_a_fault_that_changed_nothing() -> None:
    """A fault whose target felt nothing proves nothing."""
    run = Run(2).subscribe().publish().plan(connection_drop(after=delivery(1))).work(1)
    assert "changed nothing" in only(run.fire(0, changed=False).work(2).settled(), "vacuous").claim


def test_a_service_that_nobody_used() -> None:
    """A fault on another service that nobody used until it was over proves nothing; one use is enough."""
    run = Run(2).subscribe().publish().plan(stall(link="pg", after=delivery(1), duration=0.4)).work(1)
    run.fire(0, "pg").wait(400).add(e.FaultHealed, fault=0, idle=True)
    run.work(2)
    assert "changed nothing: pg felt nothing of it" in only(run.settled(), "vacuous").claim


def test_a_service_that_was_used_at_one_strike_of_two() -> None:
    """What is said of one strike's end holds for that strike alone."""
    run = Run(3).subscribe().publish()
    run.plan(stall(link="pg", after=delivery(1), every=1, times=2, duration=0.1)).work(1)
    run.fire(0, "pg").wait(100).add(e.FaultHealed, fault=0, idle=True)
    run.work(2).fire(0, "pg").wait(100).add(e.FaultHealed, fault=0)
    assert "vacuous" not in found(run.work(3).settled())


def test_a_fault_that_did_not_take_hold() -> None:
    """Why is said, whatever was seen of a strike; also of a run that was cut short, which a moment to come is not."""
    why = "stall(): toxiproxy said that it was in force on worker, and the broker greeted through it"
    run = Run(2).subscribe().publish().plan(stall(after=delivery(1)), connection_drop(after=delivery(50)))
    run.work(1).fire(0).work(2).settled()
    for interrupted in (False, True):
        said = findings(run, unheld={0: why}, interrupted=interrupted)
        told = [(one.fault, one.cause) for one in said if one.kind == "vacuous"]
        assert (0, why) in told
        assert len(told) == (1 if interrupted else 2)


def test_a_fault_after_the_last_message() -> None:
    """A fault that struck when all was done, and after which nothing came, proves nothing."""
    run = Run(2).subscribe().publish().plan(broker_restart(after=seconds(5))).work(1, 2).census().census()
    run.fire(0, "broker").restart_broker().settled()
    assert "no message was on its way" in only(run, "vacuous").claim


def test_a_fault_with_messages_on_their_way() -> None:
    """A fault that struck with messages on their way tested something."""
    run = Run(2).subscribe().publish().plan(connection_drop(after=delivery(1)))
    run.deliver(1)
    run.fire(0, at=1).lose().subscribe().work(1, redelivered=True).work(2).settled()
    assert "vacuous" not in found(run)


def test_a_fault_before_messages_that_came_later() -> None:
    """A fault that struck before the first message came tested what came later."""
    run = (
        Run(1)
        .subscribe()
        .plan(connection_drop(after=seconds(0)))
        .fire(0)
        .lose()
        .subscribe()
        .publish()
        .work(1)
    )
    assert found(run.settled()) == {}


def test_a_crash_after_the_last_ack_asks_for_the_work() -> None:
    """Killing a process after its last ack tests whether its work was done by then."""
    run = Run(1).start().subscribe().publish().plan(consumer_crash(after=ack(1))).work(1).barrier()
    assert (
        found(run.census().census().crash().fire(0, at=1, actor="signal").start().subscribe().settled()) == {}
    )


def test_malformed_messages_that_were_published() -> None:
    """A payload fault strikes by being published."""
    run = Run(1, poison=1).subscribe().plan(malformed_payload()).publish().work(1)
    assert "vacuous" not in found(run.nack(run.deliver(2), requeue=False).settled())


def test_malformed_messages_that_were_not() -> None:
    """A payload fault of which nothing was published proves nothing."""
    assert "vacuous" in found(Run(1).subscribe().plan(malformed_payload()).publish().work(1).settled())


def test_repetitions_that_were_published() -> None:
    """Messages that were sent twice are what the fault is."""
    run = Run(1).subscribe().plan(repeated_publish()).publish(1, 1).fire(0, "orders", actor="publisher")
    assert found(run.work(1, 1).settled(), "at-most-once") == {"(duplicated:by_publisher)": [1]}


def test_repetitions_that_were_not() -> None:
    """A publisher that sent each message once has tested nothing, whatever was planned."""
    run = Run(2).subscribe().plan(repeated_publish()).publish().fire(0, "orders", actor="publisher")
    (finding,) = [one for one in findings(run.work(1, 2).settled()) if one.kind == "vacuous"]
    assert finding.claim == "repeated_publish() published no message again"
    assert finding.cause == "2 messages were published, each once"


def test_a_lost_confirm_of_a_message_that_is_done() -> None:
    """A frame that was taken is what was tested, though all work was done by then."""
    run = Run(1).subscribe().publish().plan(lost_confirm(after=ack(1))).work(1).census().census()
    run.fire(0, "publisher", at=1).settled()
    assert "vacuous" not in found(run)
