"""Clients and programs of other habits: the protocol header of AMQP 0-9, one message a life."""

import sys

import pika
import pytest
from consumers import correct
from e2e_kit import text, violations

from pytest_mqchaos import ack, baseline, connection_reset, consumer_crash, delivery

ONE = """
import os, pika

channel = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])).channel()
channel.basic_qos(prefetch_count=1)
for method, properties, body in channel.consume("orders", inactivity_timeout=20):
    with open(os.environ["MQCHAOS_EFFECTS"], "a") as effects:
        effects.write(properties.message_id + "\\n")
    channel.basic_ack(method.delivery_tag)
    channel.connection.close()
    break
"""


def says_0_9(url):
    """Begin as clients of AMQP 0-9 do; RabbitMQ speaks 0-9-1 with them."""
    pika.frame.ProtocolHeader.marshal = lambda _header: b"AMQP\x01\x01\x00\x09"
    correct.ack_after_work(url)


@pytest.mark.chaos(connection_reset(after=delivery(5)), consumer_crash(before=ack(6)))
def test_the_header_of_0_9(scene, mqchaos):
    """It is understood as RabbitMQ understands it."""
    scene.queue("classic")
    scene.forked(says_0_9, env={"WORK": 0.005})
    scene.publish(count=20)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)


@pytest.mark.chaos(baseline())
def test_one_message_a_life(scene, mqchaos):
    """A consumer that ends after each message is started for each, more often than a crash loop is."""
    scene.queue("classic")
    mqchaos.consumer([sys.executable, "-c", ONE], name="worker", restart="always")
    scene.publish(count=26)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert not violations(account)
    assert len(account.effected) == 26
