"""Stalled: ready messages, a consumer expected, and nothing moves."""

from __future__ import annotations

import pytest
from check_builders import Run, found, numbers, only, queue

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.case import ConsumerFacts
from pytest_mqchaos.model.faults import connection_drop, consumer_crash
from pytest_mqchaos.model.triggers import delivery


def test_never_reconnects() -> None:
    """A consumer that stays away after a cut leaves the rest ready; the fault is named."""
    run = Run(3).start().subscribe().publish().plan(connection_drop(after=delivery(1)))
    run.deliver(1)
    run.fire(0, at=1).lose().unsettled(queue("orders", ready=3))
    finding = only(run, "stalled")
    assert (finding.name, finding.violation, finding.count) == ("stalled:not_reconnected", True, 3)
    assert numbers(finding.messages) == [1, 2, 3]
    assert finding.cause == "worker never reconnected after connection_drop(after=delivery(1))"


def test_reconnects_and_does_not_consume() -> None:
    """A consumer that is back and did not subscribe again is told apart from one that is away."""
    run = Run(2).start().subscribe().publish().plan(connection_drop(after=delivery(1)))
    run.deliver(1)
    run.fire(0, at=1).lose()
    run.connection("worker")
    finding = only(run.unsettled(queue("orders", ready=2)), "stalled")
    assert finding.name == "stalled:not_consuming"
    assert finding.cause.startswith("worker reconnected and consumes nothing")


def test_all_in_hand_is_delivered_once_more() -> None:
    """That is no loop: the rest is stalled, behind what is never acknowledged."""
    run = Run(30).start().subscribe(prefetch=10).publish().plan(connection_drop(after=delivery(10)))
    for number in range(1, 11):
        run.deliver(number)
    run.fire(0, at=10).lose().subscribe(prefetch=10)
    for number in range(1, 11):
        run.deliver(number, redelivered=True)
    finding = only(run.unsettled(queue("orders", ready=20, unacknowledged=10)), "stalled")
    assert (finding.violation, finding.count) == (True, 20)


def test_reconnects_and_consumes() -> None:
    """A consumer that subscribes again leaves nothing."""
    run = Run(2).start().subscribe().publish().plan(connection_drop(after=delivery(1)))
    run.deliver(1)
    run.fire(0, at=1).lose().subscribe().work(1, redelivered=True).work(2).settled()
    assert found(run) == {"(redelivered:explained)": [1]}


def test_a_misspelt_queue() -> None:
    """A queue of the workload that nobody reads is stalled, and the queue that is read is named."""
    run = Run(2).start().subscribe("order").publish().unsettled(queue("orders", ready=2), queue("order"))
    finding = only(run, "stalled")
    assert finding.name == "stalled:nobody_consumes"
    assert finding.cause == "nobody consumes `orders`; worker consumes `order`"
    assert finding.mend == "is `order` a misspelt `orders`?"


def test_a_consumer_that_died() -> None:
    """The exit code of the consumer is the cause, and a supervisor is suggested."""
    run = Run(2).start().subscribe().publish().work(1)
    run.end(by="itself", exit_code=3).lose(by="client").unsettled(queue("orders", ready=1))
    dead = (ConsumerFacts(name="worker", alive=False, exit_code=3),)
    finding = only(run, "stalled", consumers=dead)
    assert (finding.name, finding.cause) == ("stalled:consumer_ended", "worker ended with exit code 3")
    assert 'restart="always"' in finding.mend


def test_a_consumer_killed_by_a_fault_and_not_restarted() -> None:
    """The fault that killed it is the cause."""
    run = Run(2).start().subscribe().publish().plan(consumer_crash(after=delivery(1)))
    run.deliver(1)
    run.crash(fault=0).unsettled(queue("orders", ready=2))
    finding = only(run, "stalled", consumers=(ConsumerFacts(name="worker", alive=False, exit_code=-9),))
    assert finding.cause == "worker was killed by signal 9 after consumer_crash(after=delivery(1))"


def test_behind_what_is_unacknowledged() -> None:
    """What waits behind a prefetch that is used up says so."""
    run = Run(3).start().subscribe(prefetch=1).publish()
    run.deliver(1)
    run.unsettled(queue("orders", ready=2, unacknowledged=1))
    finding = only(run, "stalled")
    assert (finding.detail, finding.cause) == ("behind_unacknowledged", "worker holds 1 unacknowledged")
    assert numbers(finding.messages) == [2, 3]


def test_a_settled_run_is_never_stalled() -> None:
    """Messages at rest in a terminal queue stall nothing."""
    run = Run(1).subscribe().publish().work(1).settled(queue("orders"), queue("results", ready=1))
    assert found(run) == {}


def test_a_queue_that_was_expected_to_be_read() -> None:
    """A queue that a consumer was said to read is never terminal."""
    run = Run(1).subscribe().publish().work(1).unsettled(queue("orders"), queue("results", ready=1))
    expecting = (ConsumerFacts(name="reporter", alive=True, queues=("results",)),)
    assert found(run, consumers=expecting) == {"stalled:nobody_consumes": []}


def test_unsettled_is_never_a_pass() -> None:
    """A run that did not settle and that no check can explain is unknown."""
    run = (
        Run(1)
        .subscribe()
        .publish()
        .work(1)
        .unsettled(queue("orders", exact=False), reason="it would not be counted")
    )
    finding = only(run, "stalled", "at-most-once")
    assert (finding.name, finding.unknown, finding.violation) == ("stalled:unsettled", True, True)
    assert "it would not be counted" in finding.claim


def test_a_consumer_that_dies_again_and_again() -> None:
    """That its last process has not connected yet is not the cause: it will die as the ones before."""
    run = Run(2).start().subscribe().publish()
    for _ in range(2):
        run.deliver(1)
        run.end(by="itself", exit_code=3).lose(by="client").start()
        run.subscribe()
    run.lose(by="client")
    finding = only(run.unsettled(queue("orders", ready=2)), "stalled")
    assert finding.name == "stalled:consumer_ended"
    assert finding.cause == "worker ended by itself 2 times, the last time with exit code 3"


@pytest.mark.parametrize("again", [False, True])
def test_a_subscription_that_the_broker_cancelled(again: bool) -> None:
    """No connection was lost: it is to subscribe again when the broker cancels; a later loss is a loss."""
    run = Run(2).start().subscribe().publish()
    run.on_channel(e.ConsumerCancelled, consumer_tag="worker-orders", queue="orders")
    if again:
        run.lose(by="client")
        run.connection("worker")
    finding = only(run.unsettled(queue("orders", ready=2)), "stalled")
    assert finding.name == "stalled:not_consuming"
    assert ("the broker cancelled the subscription of worker" in finding.cause) is not again
    assert ("(basic.cancel)" in finding.mend) is not again
