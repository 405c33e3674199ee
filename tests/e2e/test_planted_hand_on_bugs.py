"""Consumers that hand on, retry or remember wrongly: what was lost, behind which fault, with the mend that fits."""

import json
import time
from pathlib import Path

import pika
import pytest
from consumers import kit
from e2e_kit import finding, numbers, text

from pytest_mqchaos import (
    ack,
    baseline,
    broker_restart,
    connection_drop,
    connection_reset,
    consumer_crash,
    delivery,
    malformed_payload,
    refuse,
)

COUNT = 20
both = pytest.mark.parametrize("queue_type", ["classic", "quorum"])


def hands_on_behind_its_ack(url):
    """Acknowledge first, and publish to the next queue then, without confirms."""

    def handle(channel, method, properties, body):
        channel.basic_ack(method.delivery_tag)
        time.sleep(kit.setting("WORK", 0.02))
        channel.basic_publish("", "orders.next", body, properties)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def retries_with_transient_copies(url):
    """Put every message through a slow retry queue once, as a transient message, with confirms."""

    def session(url):
        _, channel = kit.connect(url)
        channel.confirm_delivery()

        def handle(channel, method, properties, body):
            if (properties.headers or {}).get("again"):
                kit.work(properties, body)
            else:
                headers = {**properties.headers, "again": True}
                copy = pika.BasicProperties(
                    message_id=properties.message_id, headers=headers, delivery_mode=1
                )
                channel.basic_publish("", "orders.retry", body, copy)
            channel.basic_ack(method.delivery_tag)

        channel.basic_consume("orders", handle)
        channel.start_consuming()

    kit.again_and_again(session, url)


def marks_before_its_work(url, store):
    """Remember a message as done, and work on it then."""

    def handle(channel, method, properties, body):
        mark = Path(store, properties.message_id)
        if not mark.exists():
            mark.touch()
            kit.work(properties, body)
        channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def misspells(url):
    """Work on even orders, hand odd ones on to `orders.nxet`, what is no order to `orders.daed`, with confirms."""
    _, channel = kit.connect(url)
    channel.confirm_delivery()

    def handle(channel, method, properties, body):
        try:
            odd = json.loads(body)["n"] % 2
        except ValueError:
            channel.basic_publish("", "orders.daed", body, properties)
        else:
            if odd:
                channel.basic_publish("", "orders.nxet", body, properties)
            else:
                kit.work(properties, body)
        channel.basic_ack(method.delivery_tag)

    channel.basic_consume("orders", handle)
    channel.start_consuming()


@both
@pytest.mark.chaos(malformed_payload(kinds=["truncated"], share=0.5), poison="dead-letter", allow="*")
def test_names_that_are_misspelt(scene, mqchaos, queue_type):
    """The broker confirms what no queue takes: the name is the cause, not an ack too early."""
    scene.queue(queue_type)
    scene.queue(queue_type, "orders.dead")
    mqchaos.dead_letters("orders.dead")
    scene.forked(misspells)
    scene.publish(count=4)
    account = mqchaos.settle()
    lost = finding(account, "lost")
    assert numbers(lost.messages) == [1, 3], text(account)
    assert lost.cause == "it published the copy to `orders.nxet`, and there is no such queue", text(account)
    missed = finding(account, "dead_letter_miss")
    assert len(missed.messages) == 2, text(account)
    assert missed.cause == "worker published it to `orders.daed`, and there is no such queue", text(account)
    assert "mandatory=True" in missed.mend, text(account)
    assert "mandatory=True" in lost.mend, text(account)


@both
@pytest.mark.chaos(
    baseline(),
    connection_drop(after=ack(5)),
    connection_reset(after=ack(5)),
    refuse(after=ack(5), duration=0.3),
    broker_restart(after=ack(5)),
    allow="*",
)
def test_a_hand_on_behind_the_ack(scene, mqchaos, queue_type):
    """The fault that ate what was published behind the ack is the cause, and the mend is to wait for its confirm."""
    scene.queue(queue_type)
    scene.queue(queue_type, "orders.next")
    mqchaos.effects(queue="orders.next")
    scene.forked(hands_on_behind_its_ack)
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    if mqchaos.scenario == "baseline":
        assert not account.lost, text(account)
        return
    lost = finding(account, "lost")
    assert 5 in numbers(lost.messages), text(account)
    assert lost.detail == "by_consumer", text(account)
    assert lost.cause.startswith(mqchaos.faults[0].kind), text(account)


@pytest.mark.chaos(baseline(), broker_restart(after=ack(COUNT)), allow="*")
def test_copies_that_do_not_outlast_the_broker(scene, mqchaos):
    """What the application published as transient, confirmed in a durable queue, is a loss by declaration."""
    scene.queue("classic")
    retry = {"x-message-ttl": 3000, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders"}
    scene.queue("classic", "orders.retry", arguments=retry)
    scene.forked(retries_with_transient_copies, env={"WORK": 0.005})
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    if mqchaos.scenario == "baseline":
        assert account.verdict == "pass", text(account)
        return
    loss = finding(account, "persistence_loss")
    assert (loss.detail, len(loss.messages)) == ("by_declaration", COUNT), text(account)
    assert not account.lost, text(account)


@both
@pytest.mark.chaos(baseline(), consumer_crash(after=delivery(6, delay=0.1)), allow="*")
def test_a_dedup_store_that_is_marked_before_the_work(scene, mqchaos, queue_type, tmp_path):
    """The try that was killed is the cause, and the mend is one transaction."""
    scene.queue(queue_type)
    scene.forked(marks_before_its_work, args=(str(tmp_path),), env={"WORK": 0.2, "PREFETCH": 1})
    scene.publish(count=8)
    account = mqchaos.settle()
    if mqchaos.scenario == "baseline":
        assert account.verdict == "pass", text(account)
        return
    lost = finding(account, "lost")
    assert numbers(lost.messages) == [6], text(account)
    assert lost.cause.startswith("consumer_crash"), text(account)
    assert "in one transaction" in lost.mend, text(account)
