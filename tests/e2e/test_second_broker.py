"""Consumers that use a second broker: an AMQP upstream behind a link of its own, which faults break alone."""

import contextlib
import os
import time
from urllib.parse import urlsplit

import pika
import pytest
from consumers import kit
from e2e_kit import COUNT, numbers, text, violations

from pytest_mqchaos import ack, baseline, connection_drop, connection_reset, consumer_crash, delivery, refuse
from pytest_mqchaos.model import events as facts

ALL = list(range(1, COUNT + 1))


def tells_until_it_is_confirmed(url):
    """Publish an event for each order to the second broker, again until that has confirmed it; then ack."""
    channels = []

    def handle(channel, method, properties, body):
        while True:
            try:
                tell(channels, properties, body)
                break
            except kit.LOST as error:
                channels.clear()
                kit.diary("again", repr(error))
                time.sleep(0.05)
        channel.basic_ack(method.delivery_tag)

    kit.consume(url, handle)


def forgets_what_it_could_not_tell(url):
    """Publish once, and ack whatever became of it."""
    channels = []

    def handle(channel, method, properties, body):
        try:
            tell(channels, properties, body)
        except kit.LOST:
            channels.clear()
        channel.basic_ack(method.delivery_tag)

    kit.consume(url, handle)


def tell(channels, properties, body):
    """Publish an event on a connection that is kept, and wait for its confirm."""
    if not channels:
        channels.append(pika.BlockingConnection(pika.URLParameters(os.environ["EVENTS_URL"])).channel())
        channels[0].confirm_delivery()
    told = pika.BasicProperties(message_id=properties.message_id)
    channels[0].basic_publish("", "events", body, told, mandatory=True)


@pytest.fixture
def told(scene, mqchaos):
    """Let a consumer read from our link, and publish by the link `events`; what arrived there is its work."""
    broker = urlsplit(mqchaos.url)
    link = mqchaos.link("events", upstream=f"{broker.hostname}:{broker.port}")
    arrived = []

    @contextlib.contextmanager
    def directly():
        with contextlib.closing(pika.BlockingConnection(pika.URLParameters(mqchaos.url))) as connection:
            yield connection.channel()

    def events():
        with directly() as channel:
            while (found := channel.basic_get("events", auto_ack=True))[0] is not None:
                arrived.append(found[1].message_id)
        return list(arrived)

    with directly() as channel:
        channel.queue_declare("events", durable=True)
    scene.queue("classic")
    mqchaos.effects(events)
    login = f"{broker.username}:{broker.password}"

    def start(consumer):
        scene.forked(
            consumer, env={"EVENTS_URL": f"amqp://{login}@{link.address}{broker.path}", "PREFETCH": 3}
        )
        scene.publish()
        return arrived

    return start


@pytest.mark.chaos(
    baseline(),
    connection_reset(link="events", after=delivery(5)),
    connection_drop(link="events", before=ack(5)),
    refuse(link="events", after=ack(5), duration=0.2),
    consumer_crash(before=ack(5)),
)
def test_a_second_broker_is_broken(scene, mqchaos, told):
    """Its link breaks and heals, ours does not, and who publishes until it is confirmed loses nothing."""
    arrived = told(tells_until_it_is_confirmed)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert sorted(set(numbers(arrived))) == ALL
    on_events = "link-events" in mqchaos.scenario
    struck = {event.target for event in mqchaos.history if isinstance(event, facts.FaultFired)}
    assert ("events" in struck) == on_events
    assert bool(scene.diary("again")) == on_events
    assert scene.diary("lost") == []


@pytest.mark.chaos(refuse(link="events", after=ack(5), duration=0.5), allow="*")
def test_what_a_second_broker_was_not_told_is_lost(mqchaos, told):
    """Who acks an order whose event the second broker did not take has lost it, to the message."""
    arrived = told(forgets_what_it_could_not_tell)
    account = mqchaos.settle()
    missing = set(ALL) - set(numbers(arrived))
    assert missing
    assert set(numbers(account.lost)) == missing, text(account)
    assert violations(account) == {"lost"}, text(account)
