"""Vacuous: a planned fault that tested nothing."""

from __future__ import annotations

from check_builders import Run, findings, found, only

from pytest_mqchaos.model.faults import (
    broker_restart,
    connection_drop,
    consumer_crash,
    malformed_payload,
    repeated_publish,
)
from pytest_mqchaos.model.triggers import ack, delivery, seconds


def test_a_fault_that_never_struck() -> None:
    """A moment that never came proves nothing, and what was seen instead is said."""
    run = Run(2).subscribe().publish().plan(connection_drop(after=delivery(50))).work(1, 2).settled()
    finding = only(run, "vacuous")
    assert finding.claim == "connection_drop(after=delivery(50)) never struck"
    assert finding.cause == "it waited for delivery(50), and there were 2 in all"


def test_a_fault_that_changed_nothing() -> None:
    """A fault whose target felt nothing proves nothing."""
    run = Run(2).subscribe().publish().plan(connection_drop(after=delivery(1))).work(1)
    assert "changed nothing" in only(run.fire(0, changed=False).work(2).settled(), "vacuous").claim


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
