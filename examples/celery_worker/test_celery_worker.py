"""A Celery worker keeps each task that it was given, whatever breaks on the way, if it is told to."""

import pytest
from pytest_mqchaos import Chaos, ack, baseline, connection_drop, consumer_crash, delivery

EXACTLY_ONCE = pytest.mark.chaos(guarantee="exactly-once")
AT_WORK = delivery(message=2, delay=0.2)  # in the middle of an order that takes half a second


@EXACTLY_ONCE
@pytest.mark.chaos(
    baseline(),
    consumer_crash(before=ack(17)),
    connection_drop(after=delivery(17)),
)
def test_whatever_breaks(mqchaos: Chaos, start, task) -> None:
    """The worker, the network: each order is booked once."""
    start()
    mqchaos.publish("orders", count=40, **task("shop.book"))


@EXACTLY_ONCE
@pytest.mark.chaos(consumer_crash(after=AT_WORK, process="child"))
def test_a_process_of_the_pool_dies(mqchaos: Chaos, start, task) -> None:
    """What it was at goes back to the queue, and another process of the pool does it."""
    start(concurrency=1, takes=0.5)
    mqchaos.publish("orders", count=3, **task("shop.book"))


@EXACTLY_ONCE
@pytest.mark.chaos(consumer_crash(after=delivery(15)))
def test_retries(mqchaos: Chaos, start, task) -> None:
    """A task to be tried again later is published again with an ETA, and kept until then by the worker, unacked."""
    start()
    mqchaos.publish("orders", count=10, **task("shop.book_when_paid"))


@pytest.mark.chaos(baseline(), consumer_crash(after=delivery(17)))
@pytest.mark.parametrize("name", ["book", "book_when_paid"])
def test_the_return_of_a_task_shows_its_work(mqchaos: Chaos, start, task, name: str) -> None:
    """Without a file or a line in the worker: a try that ends in another one is no work."""
    start(effect_after=f"shop:{name}", effect_key="order")
    mqchaos.publish("orders", count=20, **task(f"shop.{name}"))


@pytest.mark.chaos(consumer_crash(after=ack(17)), allow="*")
def test_acks_early(mqchaos: Chaos, start, task) -> None:
    """Celery's default loses the order whose ack was the last that the broker saw."""
    start("wrong.acks_early", concurrency=1)
    mqchaos.publish("orders", count=40, **task("shop.book"))

    assert mqchaos.settle().lost == [17]


@pytest.mark.chaos(consumer_crash(after=AT_WORK, process="child"), allow="*", effect_timeout=1.0)
def test_acks_lost_child(mqchaos: Chaos, start, task) -> None:
    """What a process of the pool was at when it died has failed, and is acked."""
    start("wrong.acks_lost_child", concurrency=1, takes=0.5)
    mqchaos.publish("orders", count=3, **task("shop.book"))

    assert mqchaos.settle().lost == [2]
