"""Every moment of a stretch: a bug that shows at some of them alone is found there, and at no other."""

import pika
import pytest
from consumers import correct, kit
from e2e_kit import finding, numbers, text

from pytest_mqchaos import ack, connection_reset, consumer_crash, delivery, lost_ack, sweep

COUNT, BATCH = 12, 4


def writes_in_batches(url):
    """Acknowledge each order at once, and write the work down of every four: right only between two batches."""
    batch = []

    def handle(channel, method, properties, body):
        batch.append(properties)
        if len(batch) == BATCH or kit.order(body)["n"] == COUNT:
            for one in batch:
                kit.effect(one.headers["x-mqchaos-id"])
            batch.clear()
        channel.basic_ack(method.delivery_tag)

    def session(url):
        channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
        channel.basic_qos(prefetch_count=1)
        channel.basic_consume("orders", handle)
        channel.start_consuming()

    kit.again_and_again(session, url)


@pytest.mark.chaos(*sweep(consumer_crash, after=ack, n=2 * BATCH), allow="*")
def test_a_bug_between_two_batches(scene, mqchaos):
    """Lost is exactly what the batch held at that moment: nothing where it had just been written."""
    scene.queue("classic")
    scene.forked(writes_in_batches)
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    n = mqchaos.faults[0].trigger.n
    held = list(range(n - n % BATCH + 1, n + 1))
    assert numbers(life.id for life in account.lost)[: len(held)] == held, text(account)
    # After the crash the batches begin elsewhere, and the last one ends with the last order.
    assert len(account.lost) == len(held), text(account)
    if held:
        assert finding(account, "lost").cause.startswith("consumer_crash"), text(account)


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
@pytest.mark.chaos(
    *sweep(consumer_crash, connection_reset, lost_ack, before=ack, after=delivery, n=[1, 5, COUNT])
)
def test_a_correct_consumer_at_every_moment(scene, mqchaos, queue_type):
    """Work before ack, the first one, one in between, the last one: the promise is kept."""
    scene.queue(queue_type)
    scene.forked(correct.ack_after_work, env={"WORK": 0.005, "PREFETCH": 3})
    scene.publish(count=COUNT)
    account = mqchaos.verify()
    assert account.faults[0].fired
