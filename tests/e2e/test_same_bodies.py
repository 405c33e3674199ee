"""Messages of one body that the application publishes again, under fresh properties: each is accounted for."""

import pika
import pytest
from consumers import kit
from e2e_kit import numbers, text, violations

from pytest_mqchaos import (
    ack,
    baseline,
    broker_restart,
    combine,
    connection_drop,
    connection_reset,
    consumer_crash,
    consumer_terminate,
    delivery,
    lost_ack,
    malformed_payload,
    poison_message,
)

POISON = poison_message(b"\xff{", count=3)
FAULTS = (
    POISON,
    malformed_payload(share=0.2, kinds=["empty"]),
    combine(POISON, connection_drop(after=delivery(9))),
    combine(POISON, connection_reset(before=ack(7))),
    combine(POISON, consumer_crash(before=ack(8))),
    combine(POISON, consumer_crash(after=delivery(10))),
    combine(POISON, consumer_terminate(after=delivery(6))),
    combine(POISON, broker_restart(after=delivery(9))),
    combine(POISON, lost_ack(before=ack(9))),
)
COUNT = 15
both = pytest.mark.parametrize("queue_type", ["classic", "quorum"])


def parks(url, keeps=()):
    """Publish what cannot be processed to a queue of its own, with nothing but its body, and acknowledge then."""
    dropped = iter(keeps)

    def session(url):
        _, channel = kit.connect(url)
        channel.confirm_delivery()

        def handle(channel, method, properties, body):
            try:
                kit.work(properties, body)
            except kit.PermanentError:
                if next(dropped, True):
                    persistent = pika.BasicProperties(delivery_mode=2)
                    channel.basic_publish("", "orders.parked", body, persistent)
            channel.basic_ack(method.delivery_tag)

        channel.basic_consume("orders", handle)
        channel.start_consuming()

    kit.again_and_again(session, url)


def drops_the_second(url):
    """Park all of them but one, which is acknowledged and gone."""
    parks(url, keeps=(True, False))


@both
@pytest.mark.chaos(*FAULTS)
def test_all_are_parked(scene, mqchaos, queue_type):
    """A correct consumer is no miss, however alike its poison is."""
    scene.queue(queue_type)
    mqchaos.queue("orders.parked")
    mqchaos.dead_letters("orders.parked")
    scene.forked(parks, env={"WORK": 0.005})
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert not violations(account), text(account)
    assert set(numbers(account.dead_lettered)) == set(range(COUNT + 1, COUNT + 4)), text(account)


@both
@pytest.mark.chaos(baseline(), POISON, allow="*")
def test_one_is_not(scene, mqchaos, queue_type):
    """Of three that are alike one is missing: which is all the same, that it is one is not."""
    scene.queue(queue_type)
    mqchaos.queue("orders.parked")
    mqchaos.dead_letters("orders.parked")
    scene.forked(drops_the_second, env={"WORK": 0.005})
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    missing = 0 if mqchaos.scenario == "baseline" else 1
    assert list(violations(account)) == ["dead_letter_miss"] * missing, text(account)
    assert len(account.dead_letter_miss) == missing, text(account)
