"""A worker in Go: the plugin knows its connection and its work, and nothing else of it."""

import pytest
from pytest_mqchaos import (
    Chaos,
    ack,
    baseline,
    connection_drop,
    consumer_crash,
    delivery,
    lost_ack,
    refuse,
)


@pytest.mark.chaos(guarantee="exactly-once")
def test_whatever_breaks(mqchaos: Chaos, start) -> None:
    """The standard battery: nothing, the network, the worker, the payloads, the broker."""
    start()
    mqchaos.publish("orders", count=40, key="order")


@pytest.mark.chaos(
    consumer_crash(before=ack(17)),
    lost_ack(before=ack(17)),
    refuse(after=ack(17), duration=0.5),
    guarantee="exactly-once",
)
def test_at_the_worst_moment(mqchaos: Chaos, start) -> None:
    """The moments between work and ack, where most bugs live."""
    start()
    mqchaos.publish("orders", count=40, key="order")


@pytest.mark.chaos(baseline())
@pytest.mark.parametrize("program", ["ackfirst", "autoack", "forever"])
def test_a_wrong_worker_looks_well(mqchaos: Chaos, start, program: str) -> None:
    """As long as nothing breaks, each of them books all orders."""
    start(program)
    mqchaos.publish("orders", count=20, key="order")

    assert len(mqchaos.settle().effected) == 20


@pytest.mark.chaos(consumer_crash(after=ack(17)), allow="*")
def test_ack_first(mqchaos: Chaos, start) -> None:
    """It loses the order whose ack was the last that the broker saw."""
    start("ackfirst")
    mqchaos.publish("orders", count=40, key="order")

    assert mqchaos.settle().lost == [17]


@pytest.mark.chaos(consumer_crash(after=delivery(17)), allow="*")
def test_auto_ack(mqchaos: Chaos, start) -> None:
    """Whatever was sent and not yet booked is lost."""
    start("autoack")
    mqchaos.publish("orders", count=40, key="order")

    account = mqchaos.settle()

    assert 17 in account.lost
    assert len(account.lost) + len(account.effected) == 40


@pytest.mark.chaos(connection_drop(after=delivery(17)), allow="*", settle_timeout=2.0)
def test_forever(mqchaos: Chaos, start) -> None:
    """It is up and consumes nothing any more: what remains in the queue is `stalled`."""
    worker = start("forever")
    mqchaos.publish("orders", count=40, key="order")

    account = mqchaos.settle()

    assert worker.exit_code is None
    assert len(account.stalled) + len(account.effected) >= 40
    assert 40 in account.stalled
