"""Persistence loss: held before the broker stopped, gone after."""

from __future__ import annotations

from check_builders import Run, found, name, only, queue

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.faults import broker_restart
from pytest_mqchaos.model.triggers import confirm


def restarted(run: Run, **settings: object) -> Run:
    """The broker restarts with the second message in its queue; afterwards the queue is empty."""
    run.plan(broker_restart(after=confirm(2))).subscribe().publish().work(1)
    run.census(queue("orders", ready=1, **settings)).fire(0, "broker").restart_broker().subscribe()
    return run.settled(queue("orders", **settings))


def test_a_transient_message_is_lost_by_declaration() -> None:
    """A transient message that a restart took is lost by declaration."""
    finding = only(restarted(Run(2, persistent=False)), "persistence_loss")
    assert (finding.name, finding.violation) == ("persistence_loss:by_declaration", True)
    assert finding.claim == "lost when the broker stopped: it was published as transient"
    assert finding.cause == "broker_restart(after=confirm(2))"


def test_a_queue_that_is_not_durable() -> None:
    """A queue that is not durable takes its messages with it."""
    finding = only(restarted(Run(2), durable=False), "persistence_loss")
    assert (finding.name, finding.claim) == (
        "persistence_loss:by_declaration",
        "lost when the broker stopped: `orders` is not durable",
    )


def test_on_quorum_queues_every_message_is_persistent() -> None:
    """A transient message in a quorum queue that is gone is the broker's loss."""
    assert found(restarted(Run(2, persistent=False), type="quorum")) == {"persistence_loss:by_broker": [2]}


def test_a_persistent_message_is_the_brokers_loss() -> None:
    """A persistent message in a durable queue that is gone after a stop is the broker's loss, and counted once."""
    assert found(restarted(Run(2))) == {"persistence_loss:by_broker": [2]}


def test_in_hand_when_the_broker_stopped() -> None:
    """A message that was in hand and never came again after a stop is a persistence loss too."""
    run = Run(1, persistent=False).subscribe().publish()
    run.deliver(1)
    assert found(run.restart_broker().subscribe().settled()) == {"persistence_loss:by_declaration": [1]}


def test_delivered_while_the_broker_was_stopping() -> None:
    """What a stopping broker still handed out and never had again is a persistence loss."""
    run = Run(1, persistent=False).subscribe().publish()
    run.add(e.BrokerStopped, how="restart")
    run.deliver(1)
    run.lose(by="broker").add(e.BrokerStarted, how="restart")
    run.subscribe().settled()
    assert found(run) == {"persistence_loss:by_declaration": [1]}


def test_acknowledged_before_the_stop_is_the_consumers_loss() -> None:
    """An ack that reached the broker before it stopped is not the broker's loss."""
    run = Run(1, persistent=False).subscribe().publish()
    run.ack(run.deliver(1), effect_seen=False).restart_broker().subscribe().settled()
    assert found(run) == {"lost:by_consumer": [1]}


def test_everything_survives() -> None:
    """Persistent messages that come back after a restart are no finding."""
    run = Run(2).subscribe().publish().work(1).restart_broker().subscribe().work(2).settled()
    assert found(run) == {}


def test_a_time_to_live_is_a_policy_also_over_a_restart() -> None:
    """What a queue's time to live may have taken is not blamed on the restart."""
    assert found(restarted(Run(2), message_ttl=1.0)) == {"lost:by_policy": [2]}


def handed_on(*, confirmed: bool = True, persistent: bool = False) -> Run:
    """A consumer publishes a copy to its retry queue and acknowledges; then the broker restarts."""
    run = Run(2).plan(broker_restart(after=confirm(2))).subscribe().subscribe("retry").publish().work(1)
    hand = run.deliver(2)
    run.republish(2, "retry", persistent=persistent)
    if confirmed:
        run.on_channel(e.OwnConfirmed, message=name(2))
    run.ack(hand, effect_seen=False).barrier().fire(0, "broker").restart_broker()
    return run.subscribe().subscribe("retry").settled(queue("orders"), queue("retry"))


def test_a_copy_of_the_applications_that_is_transient() -> None:
    """The broker had confirmed it, and it stood in a durable queue: its publisher did not say that it should last."""
    finding = only(handed_on(), "persistence_loss")
    assert (finding.name, finding.messages, finding.fault) == (
        "persistence_loss:by_declaration",
        (name(2),),
        0,
    )
    assert finding.claim == "lost when the broker stopped: worker published its copy as transient"
    assert found(handed_on()).keys() == {"persistence_loss:by_declaration"}


def test_a_stop_that_took_what_only_waited_is_not_vacuous() -> None:
    """All was handed on and acknowledged when it struck, and nobody can see the work: it cost messages all the same."""
    assert "vacuous" not in found(handed_on(), evidence="unknown")


def test_a_copy_that_was_to_last() -> None:
    """One that was persistent and confirmed is the broker's loss."""
    assert found(handed_on(persistent=True)) == {"persistence_loss:by_broker": [2]}


def test_a_copy_that_the_broker_had_not_confirmed() -> None:
    """Who acknowledges before that loses it himself."""
    lost = only(handed_on(confirmed=False), "lost")
    assert lost.name == "lost:by_consumer"
    assert lost.mend == "acknowledge once the broker has confirmed the copy"
