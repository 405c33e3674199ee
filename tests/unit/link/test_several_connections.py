"""Several connections on one link: what stands still while a fault strikes, and who has left."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

import pytest
from scripted import TIMEOUT, Stage, ack, delivery, do, receive, relay_of, silent

from pytest_mqchaos.link.held import Held
from pytest_mqchaos.link.relay import Relay, Strike
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.events import LinkEvent


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A wire between two sockets of the test."""
    made = Stage()
    try:
        yield made
    finally:
        made.close()


def test_two_connections_stand_for_one_strike(stage: Stage) -> None:
    """What is said on the other connection while X is struck waits, both ways, and then goes on in order."""
    client, broker = stage.consuming()
    second, second_broker = stage.consuming()
    other = max(stage.wire.connected(), key=lambda relay: relay.number)
    struck, go = threading.Event(), threading.Event()

    async def strike(held: Held) -> None:
        await held.pass_on()
        struck.set()
        await stage.thread.blocking(go.wait, TIMEOUT)
        other.release()

    def script(relay: Relay, found: Sequence[LinkEvent]) -> Strike | None:
        if relay is other or not any(isinstance(fact, facts.Delivered) for fact in found):
            return None
        other.hold()  # in the moment that X is seen
        return strike

    stage.tap.script = script
    second_broker.sendall(delivery(7))
    assert receive(second, len(delivery(7))) == delivery(7)
    broker.sendall(delivery(1))
    assert struck.wait(TIMEOUT)
    second.sendall(ack(7))
    second_broker.sendall(delivery(8))
    assert receive(client, len(delivery(1))) == delivery(1)
    assert silent(second)
    assert silent(second_broker)
    go.set()
    assert receive(second, len(delivery(8))) == delivery(8)
    assert receive(second_broker, len(ack(7))) == ack(7)


def test_a_client_that_left_is_known_before_its_words_are_read(stage: Stage) -> None:
    """A killed process has left, though what it said last waits in our socket, which nobody reads."""
    client, _ = stage.consuming()
    relay = relay_of(stage)
    left: list[bool] = []
    do(stage, relay.hold, relay.client.pause_reading, lambda: left.append(relay.client_left))
    client.sendall(ack(1))
    client.close()
    do(stage, lambda: left.append(relay.client_left), lambda: left.append(relay.from_client.ended))
    assert left == [False, True, False]
    do(stage, relay.client.resume_reading, relay.release)
    stage.await_fact(facts.LinkLost)
    do(stage, lambda: left.append(relay.client_left))
    assert left[-1]


def test_a_connection_that_waited_and_was_ended_leads_nowhere(stage: Stage) -> None:
    """One that came in while new ones wait, and that the fault has ended, is not taken to the broker after all."""
    do(stage, stage.wire.hold_new)
    client = stage.client()
    client.sendall(b"AMQP")
    deadline = time.monotonic() + TIMEOUT
    while not stage.wire.connected():
        assert time.monotonic() < deadline
    do(stage, lambda: relay_of(stage).close("fault"), stage.wire.let_new)
    assert client.recv(1) == b""
    stage._listener.settimeout(0.05)
    with pytest.raises(TimeoutError):
        stage._listener.accept()
