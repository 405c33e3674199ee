"""What the publisher said of a message arrives as it was said, whatever way the message took."""

import datetime

import pytest
from consumers import correct, kit
from e2e_kit import finding, numbers, text

from pytest_mqchaos import baseline, connection_drop, delivery, effect

both = pytest.mark.parametrize("queue_type", ["classic", "quorum"])
COUNT = 10
QUICK = {"WORK": 0.005}
HEADERS = {
    "tenant": "acme",
    "text": "Grüße, \u4e16\u754c",
    "empty": "",
    "yes": True,
    "small": 3,
    "negative": -70_000,
    "large": 2**40,
    "at": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
    "nothing": None,
    "bytes": b"\x00\xff",
    "list": ["a", 1, None, {"deep": [True]}],
    "table": {"b": 1, "a": {"c": "d"}},
    "x-own": "kept",
    "x-death-count": 1,
}
PROPERTIES = {
    "content_type": "application/json",
    "content_encoding": "utf-8",
    "priority": 3,
    "correlation_id": "c-1",
    "reply_to": "answers",
    "timestamp": 1_767_225_600,
    "type": "order",
    "app_id": "shop",
}


@both
@pytest.mark.chaos(baseline(), connection_drop(after=delivery(4)))
@pytest.mark.parametrize("retries", [False, True])
def test_all_of_it_arrives(scene, mqchaos, queue_type, retries):
    """Every property and every type of header survives delivery, redelivery, a waiting room and a dead letter."""
    waits = {"x-message-ttl": 50, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders"}
    mqchaos.queue("orders.wait", arguments={"x-queue-type": queue_type, **waits})
    back = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders.wait"}
    scene.queue(queue_type, arguments=back if retries else {})
    mqchaos.queue("orders.dead", arguments={"x-queue-type": queue_type})
    mqchaos.dead_letters("orders.dead")
    scene.forked(correct.delayed_retry if retries else correct.ack_after_work, env=QUICK)
    scene.publish(count=COUNT, headers=HEADERS, properties=PROPERTIES)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert not account.corrupted, text(account)
    assert not [each for each in account.findings if each.kind == "corrupted"], text(account)


@both
@pytest.mark.chaos(baseline(), allow="*")
def test_what_rests_has_it_too(scene, mqchaos, queue_type):
    """Good messages that were rejected rest with all that was said of them."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.forked(rejects)
    scene.publish(count=COUNT, headers=HEADERS, properties=PROPERTIES)
    account = mqchaos.settle()
    assert len(account.dead_letter_false_positive) == COUNT, text(account)
    assert not [each for each in account.findings if each.kind == "corrupted"], text(account)


@both
@pytest.mark.chaos(baseline())
def test_an_own_copy_is_information(scene, mqchaos, queue_type):
    """An application that tries again by publishing, with properties of its own, corrupts nothing."""
    scene.queue(queue_type)
    scene.forked(publishes_again, env=QUICK)
    scene.publish(count=COUNT, headers=HEADERS, properties=PROPERTIES)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert finding(account, "corrupted").name == "corrupted:own_copy"
    assert not finding(account, "corrupted").violation
    assert numbers(account.effected) == list(range(1, COUNT + 1))


@both
@pytest.mark.chaos(baseline(), connection_drop(after=effect(2)))
def test_large_bodies(scene, mqchaos, queue_type):
    """Bodies that are too large to be held are read as they pass, and are what was published."""
    scene.queue(queue_type)
    scene.forked(correct.ack_after_work, env=QUICK)
    scene.publish(count=3, body=lambda n, rng: {"n": n, "filling": rng.randbytes(800_000).hex()})
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert not [each for each in account.findings if each.kind == "corrupted"], text(account)
    streamed = [event for event in mqchaos.history.snapshot() if type(event).__name__ == "Streamed"]
    assert {event.digest for event in streamed} == {m.digest for m in mqchaos.history.messages.values()}


def rejects(url):
    """Reject everything."""
    kit.again_and_again(
        lambda url: kit.consume(url, lambda c, m, _p, _b: c.basic_reject(m.delivery_tag, requeue=False)), url
    )


def publishes_again(url):
    """Try every order twice: by a copy with an id and a content type of its own, and no other header."""

    def handle(channel, method, properties, body):
        if properties.content_type == "application/json":
            again = kit.pika.BasicProperties(message_id=properties.message_id, content_type="text/plain")
            channel.basic_publish("", "orders", body, again)
        else:
            kit.work(properties, body)
        channel.basic_ack(method.delivery_tag)

    def session(url):
        _, channel = kit.connect(url)
        channel.confirm_delivery()
        channel.basic_consume("orders", handle)
        channel.start_consuming()

    kit.again_and_again(session, url)
