"""The worker books each order exactly once, whatever breaks on the way."""

import pytest
from pytest_mqchaos import (
    Chaos,
    ack,
    baseline,
    broker_restart,
    combine,
    connection_drop,
    connection_reset,
    consumer_crash,
    consumer_terminate,
    delivery,
    effect,
    lost_ack,
    malformed_payload,
    poison_message,
    refuse,
)

pytestmark = pytest.mark.chaos(guarantee="exactly-once")


def test_whatever_breaks(mqchaos: Chaos, start) -> None:
    """The standard battery: nothing, the network, the worker, the payloads, the broker."""
    start()
    mqchaos.publish("orders", count=60, key="order")


@pytest.mark.chaos(
    consumer_crash(before=ack(17)),  # booked, and its ack has not reached the broker
    consumer_crash(after=effect(17)),
    consumer_terminate(after=delivery(20)),
    connection_reset(after=ack(17)),
    lost_ack(before=ack(17)),  # it comes again, and is not booked again
    refuse(after=delivery(20), duration=0.5),
    combine(lost_ack(before=ack(10)), consumer_crash(after=delivery(30)), malformed_payload()),
)
def test_at_the_worst_moment(mqchaos: Chaos, start) -> None:
    """The moments between work and ack, where most bugs live."""
    start()
    mqchaos.publish("orders", count=60, key="order")


@pytest.mark.chaos(
    consumer_crash(after=delivery(30), consumer="worker#2"),
    connection_drop(after=delivery(30), consumer="*"),
    broker_restart(after=ack(20)),
)
def test_two_workers(mqchaos: Chaos, start) -> None:
    """Two workers share the queue and the book, and one does not double what the other began."""
    start(replicas=2)
    mqchaos.publish("orders", count=80, key="order")


@pytest.mark.chaos(
    malformed_payload(share=0.2),
    poison_message({"order": None}, name="no-number"),
    poison="dead-letter",
)
def test_unreadable_orders_are_kept(mqchaos: Chaos, start) -> None:
    """What cannot be read comes to the dead-letter queue, all of it and nothing else."""
    start()
    mqchaos.publish("orders", count=40, key="order")

    account = mqchaos.settle()

    assert account.dead_lettered == {message.id for message in account.published if message.poison}


@pytest.mark.chaos(baseline(), own_broker=True)
def test_by_hand(mqchaos: Chaos, start) -> None:
    """Faults can be told in the test itself, and what happened can be asked."""
    worker = start(restart="never")
    mqchaos.publish("orders", count=60, key="order")

    mqchaos.wait(ack(10))
    with mqchaos.inject(refuse(duration=5.0)):  # until the end of the block
        mqchaos.wait(effect(10))
    mqchaos.wait(ack(30))
    mqchaos.broker.restart()

    account = mqchaos.verify()
    assert worker.exit_code is None
    assert len(account.effected) == 60
