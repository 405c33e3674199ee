"""A consumer with several connections on its link: a moment is one moment for all of them."""

import threading
import time

import pytest
from consumers import correct, kit
from e2e_kit import text

from pytest_mqchaos import (
    ack,
    connection_drop,
    connection_reset,
    consumer_crash,
    consumer_terminate,
    delivery,
    lost_ack,
)
from pytest_mqchaos.model import events as facts

COUNT = 30
BURST = 5


def two_connections(url):
    """Consume on two connections, a thread each; the first acks of both are sent in one moment."""
    together = threading.Barrier(2)

    def serve():
        held, first = [], [True]

        def handle(channel, method, properties, body):
            kit.effect(properties.message_id)
            held.append(method.delivery_tag)
            if first and len(held) < BURST:
                return
            if first:
                first.clear()
                together.wait(5)
            while held:
                channel.basic_ack(held.pop(0))

        def session(url):
            held.clear()
            kit.consume(url, handle)

        kit.again_and_again(session, url)

    threads = [threading.Thread(target=serve) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture
def connected(scene, mqchaos):
    """A consumer that reads on two connections, and orders for it."""
    scene.queue("classic")
    scene.forked(two_connections, env={"PREFETCH": BURST})
    deadline = time.monotonic() + 5
    while len(seen(mqchaos, facts.Subscribed)) < 2:
        assert time.monotonic() < deadline, "the second connection never subscribed"
        time.sleep(0.01)
    scene.publish(count=COUNT)


def seen(mqchaos, kind, connections=None):
    """Return the events of a kind that reached their receiver, on some connections or on all."""
    return [
        event
        for event in mqchaos.history
        if isinstance(event, kind)
        and getattr(event, "passed", True)
        and (connections is None or event.connection in connections)
    ]


@pytest.mark.chaos(
    consumer_crash(after=ack(5)),
    consumer_crash(before=ack(6)),
    connection_drop(after=ack(5)),
    connection_reset(before=ack(6)),
)
def test_no_later_ack_of_another_connection_arrives(scene, mqchaos, connected):
    """What the consumer said behind X on its other connection never reaches the broker: it gives all that out again."""
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    first = {event.connection for event in seen(mqchaos, facts.Subscribed)[:2]}
    acked = [event.message for event in seen(mqchaos, facts.Acked, first)]
    assert len(acked) == 5, text(account)
    later = {event.message for event in seen(mqchaos, facts.Delivered) if event.connection not in first}
    assert {life.id for life in account.published} - set(acked) <= later


@pytest.mark.chaos(connection_drop(after=delivery(3)), consumer_crash(after=delivery(3)))
def test_no_later_delivery_of_another_connection_arrives(scene, mqchaos, connected):
    """What the broker said behind X on the other connection never reaches the consumer."""
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    first = {event.connection for event in seen(mqchaos, facts.Subscribed)[:2]}
    assert len(seen(mqchaos, facts.Delivered, first)) == 3, text(account)


@pytest.mark.chaos(consumer_terminate(after=ack(5)))
def test_both_connections_go_on_where_the_process_does(scene, mqchaos, connected):
    """A consumer that is asked to end may finish: what stood still on its other connection goes on."""
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)


def where_x_was(mqchaos):
    """Return the delivery that the only fault says was its moment."""
    (fired,) = seen(mqchaos, facts.FaultFired)
    message = fired.trigger.partition("(orders-")[2].rstrip(")")
    return next(event for event in seen(mqchaos, facts.Delivered) if event.message == f"orders-{message}")


@pytest.mark.chaos(lost_ack(after=delivery(3)))
def test_the_lost_ack_is_one_of_the_connection_that_x_was_on(scene, mqchaos, connected):
    """It is swallowed and its connection reset; the other goes on, and all that it says arrives."""
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    connection = where_x_was(mqchaos).connection
    swallowed = [event for event in mqchaos.history if isinstance(event, facts.Acked) and not event.passed]
    assert {event.connection for event in swallowed} == {connection}
    lost = [event for event in mqchaos.history if isinstance(event, facts.LinkLost)]
    assert [event.connection for event in lost if event.by == "fault"] == [connection]


@pytest.mark.chaos(lost_ack(after=delivery(1)), lost_ack(after=delivery(2)))
def test_the_lost_ack_is_one_of_the_replica_that_x_was_on(scene, mqchaos):
    """The second replica's acks are not the first one's, though its link bears the consumer's name."""
    scene.queue("classic")
    scene.forked(correct.ack_after_work, replicas=2, env={"PREFETCH": 1, "WORK": 0.01})
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    x = where_x_was(mqchaos)
    (swallowed,) = [e for e in mqchaos.history if isinstance(e, facts.Acked) and not e.passed]
    assert (swallowed.link, swallowed.message) == (x.link, x.message)
    (fault,) = account.faults
    assert (fault.target, fault.message) == (x.link, x.message)
