"""Consumers that speak TLS to their link: clients of all sorts trust it, and faults and verdicts are the same."""

import json

import pytest
from consumers import correct
from e2e_kit import COUNT, finding, numbers, text, violations

from pytest_mqchaos import (
    ChaosError,
    ack,
    bandwidth,
    baseline,
    black_hole,
    broker_restart,
    connection_drop,
    connection_reset,
    consumer_crash,
    consumer_freeze,
    delivery,
    effect,
    fragment,
    latency,
    lost_ack,
    refuse,
    stall,
)
from pytest_mqchaos.model import events as facts

ALL = set(range(1, COUNT + 1))
CLIENTS = ("pika", "aio_pika", "kombu", "amqplib", "amqp091")


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.chaos(connection_drop(after=delivery(5)), connection_reset(before=ack(5)))
def test_clients_trust_the_link(mqchaos, program, client):
    """A client that checks certificates needs no more than its environment, and comes back after a cut."""
    mqchaos.queue("orders")
    consumer = mqchaos.consumer(program(client), name="worker", tls=True)
    assert consumer.link.url.startswith("amqps://")
    mqchaos.publish("orders", count=COUNT)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert len([event for event in mqchaos.history if isinstance(event, facts.LinkOpened)]) >= 2
    assert "lost" in consumer.output


@pytest.mark.chaos(
    connection_drop(before=ack(5)),
    connection_reset(after=delivery(5)),
    refuse(after=ack(5), duration=0.4),
    stall(after=delivery(5), duration=0.4),
    black_hole(after=delivery(5), duration=0.4),
    latency(delay=0.02),
    bandwidth(30_000),
    fragment(20),
    lost_ack(before=ack(5)),
    consumer_crash(before=ack(5)),
    consumer_crash(after=delivery(5)),
    consumer_freeze(after=ack(5), duration=0.3),
    broker_restart(after=delivery(5)),
    guarantee="exactly-once",
)
def test_a_correct_consumer_passes(scene, mqchaos):
    """Under every fault a dedup store behind ack after work keeps exactly-once, by TLS as in plain text."""
    scene.queue("classic")
    scene.forked(correct.dedup, env={"WORK": 0.005}, tls=True)
    scene.publish()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert scene.done() == dict.fromkeys(ALL, 1)


@pytest.mark.chaos(
    stall(after=delivery(5), duration=0.4), consumer_freeze(after=ack(5), duration=0.3), latency(delay=0.02)
)
def test_what_loses_nothing_ends_nothing(scene, mqchaos):
    """A link that is silent or late for a while keeps its TLS connection."""
    scene.queue("classic")
    scene.consumer("correct", "ack_after_work", tls=True)
    scene.publish()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert scene.diary("lost") == []
    assert scene.done() == dict.fromkeys(ALL, 1)


@pytest.mark.parametrize("prefetch", [1, 10])
@pytest.mark.chaos(consumer_crash(after=ack(5)), allow="*")
def test_a_crash_at_an_exact_ack(scene, mqchaos, prefetch):
    """Work that follows its ack at once is not begun when the crash strikes: the client is stopped as it sends."""
    scene.queue("classic")
    scene.consumer("wrong", "ack_first", env={"PREFETCH": prefetch, "WORK": 0}, tls=True)
    scene.publish()
    account = mqchaos.settle()
    assert numbers(account.lost) == [5], text(account)
    assert violations(account) == {"lost"}, text(account)
    assert set(scene.done()) == ALL - {5}


@pytest.mark.chaos(consumer_crash(after=effect(5)), guarantee="exactly-once", allow="*")
def test_a_crash_between_effect_and_ack(scene, mqchaos):
    """What was worked on and not acked is worked on twice by who keeps no record, and nothing else is."""
    scene.queue("classic")
    scene.consumer("wrong", "not_idempotent", env={"PREFETCH": 1}, tls=True)
    scene.publish()
    account = mqchaos.settle()
    assert numbers(account.duplicated) == [5], text(account)
    assert violations(account) == {"duplicated"}, text(account)


@pytest.mark.chaos(lost_ack(before=ack(5)), guarantee="exactly-once", allow="*")
def test_a_lost_ack(scene, mqchaos):
    """The frame that dies inside TLS is the ack, and costs one effect too many."""
    scene.queue("classic")
    scene.consumer("wrong", "not_idempotent", env={"PREFETCH": 1}, tls=True)
    scene.publish()
    account = mqchaos.settle()
    assert numbers(account.duplicated) == [5], text(account)
    assert "lost_ack" in str(finding(account, "duplicated").cause)


@pytest.mark.chaos(connection_drop(after=delivery(5)), allow="*")
def test_silence_after_a_reconnect(scene, mqchaos):
    """A consumer that comes back by TLS and subscribes to nothing is found."""
    scene.queue("classic")
    scene.consumer("wrong", "mute_after_reconnect", tls=True)
    scene.publish()
    account = mqchaos.settle(timeout=3.0)
    assert violations(account) == {"stalled"}, text(account)


@pytest.mark.chaos(baseline(), evidence="broker")
def test_what_a_consumer_is_told(mqchaos):
    """Addresses, placeholders and files to trust are of TLS; a second consumer in plain text knows nothing of it."""
    show = (
        "import json, os, pika, sys; url = os.environ['AMQP_URL'];"
        "print(json.dumps([url, os.environ.get('MQCHAOS_CA'), *sys.argv[1:]]), flush=True);"
        "channel = pika.BlockingConnection(pika.URLParameters(url)).channel();"
        "channel.basic_consume('orders', lambda c, m, p, b: c.basic_ack(m.delivery_tag)); channel.start_consuming()"
    )
    mqchaos.queue("orders")
    for name, tls in (("secure", True), ("plain", False)):
        consumer = mqchaos.consumer(
            ["python", "-c", show, "{url}", "{ca}"], name=name, tls=tls, env={"FROM": "{ca}"}
        )
        url, authority, filled, ca = json.loads(consumer.output)
        assert url == filled == consumer.link.url
        assert url.startswith("amqps://" if tls else "amqp://")
        assert ca == (authority or "")
        assert bool(authority) == tls
    mqchaos.publish("orders", count=2)


SPEAKS = "import os, pika; pika.BlockingConnection(pika.URLParameters(os.environ['AMQP_URL']{}))"


@pytest.mark.parametrize(
    ("client", "options", "said"),
    [
        (
            SPEAKS.format(".replace('amqps', 'amqp')"),
            {"tls": True},
            r"; it speaks plain text, and this link speaks TLS \(tls=True\): its address begins with amqps://",
        ),
        (
            SPEAKS.format(".replace('amqp', 'amqps')"),
            {},
            r"; it speaks TLS, and its link plain text: consumer\(\.\.\., tls=True\) makes one that speaks TLS",
        ),
        (
            SPEAKS.format(""),
            {"tls": True, "env": {"SSL_CERT_FILE": None}},
            r"; its TLS failed: .*unknown ca; the authority to trust is in \$MQCHAOS_CA",
        ),
    ],
    ids=["plain", "tls", "doubt"],
)
@pytest.mark.chaos(baseline())
def test_who_is_not_understood_is_told_why(mqchaos, program, client, options, said):
    """A consumer that ended since it and its link spoke past each other is told what would be right."""
    mqchaos.queue("orders")
    with pytest.raises(ChaosError, match=said):
        mqchaos.consumer(["python", "-c", client], **options)
    mqchaos.consumer(program("pika"), tls=True)
    mqchaos.publish("orders", count=2)
