"""A worker in another language: the plugin knows its connection and its work, and nothing else of it."""

import pytest
from pytest_mqchaos import Chaos, ack, connection_reset, consumer_crash, delivery, lost_ack, refuse


@pytest.mark.chaos(guarantee="exactly-once")
def test_whatever_breaks(mqchaos: Chaos, start) -> None:
    """The standard battery: nothing, the network, the worker, the payloads, the broker."""
    start()
    mqchaos.publish("orders", count=40, key="order")


@pytest.mark.chaos(
    consumer_crash(before=ack(17)),
    lost_ack(before=ack(17)),
    connection_reset(after=delivery(17)),
    refuse(after=ack(17), duration=0.5),
    guarantee="exactly-once",
)
def test_at_the_worst_moment(mqchaos: Chaos, start) -> None:
    """The moments between work and ack, where most bugs live."""
    start()
    mqchaos.publish("orders", count=40, key="order")


@pytest.mark.chaos(consumer_crash(after=ack(17)), allow="*")
def test_ack_first(mqchaos: Chaos, start) -> None:
    """The wrong worker loses the order whose ack was the last that the broker saw."""
    start("wrong/ack_first.js")
    mqchaos.publish("orders", count=40, key="order")

    assert mqchaos.settle().lost == [17]
