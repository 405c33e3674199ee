"""A connection that is stalled or swallowed, frame by frame: what passes, what is written down, and when it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from amqp_streams import publish
from scripted import TIMEOUT, Stage, ack, delivery, do, message, receive, relay_of, silent

from pytest_mqchaos.link.held import Held
from pytest_mqchaos.link.weather import Condition
from pytest_mqchaos.model import events as facts


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A wire between two sockets of the test."""
    made = Stage()
    try:
        yield made
    finally:
        made.close()


def test_a_stall_counts_nothing_before_it_passes(stage: Stage) -> None:
    """What is said in a stall is judged and written down when it passes, in its order."""
    client, broker = stage.consuming()
    relay = relay_of(stage)
    do(stage, relay.ways.stall, relay.ways.stall)
    broker.sendall(delivery(1) + delivery(2))
    do(stage, relay.ways.flow)
    assert silent(client)
    assert not stage.facts(facts.Delivered)
    do(stage, relay.ways.flow)
    assert receive(client, len(delivery(1) + delivery(2))) == delivery(1) + delivery(2)
    assert [event.message for event in stage.facts(facts.Delivered)] == [message(1), message(2)]  # type: ignore[attr-defined]
    client.sendall(ack(1))
    assert receive(broker, len(ack(1))) == ack(1)


@pytest.mark.parametrize("side", ["client", "server"])
def test_x_is_stalled_too(stage: Stage, side: str) -> None:
    """The frame that a stall strikes before waits for its end, in front of what follows it."""
    client, broker = stage.consuming()
    struck = threading.Event()

    async def stall(held: Held) -> None:
        held.relay.ways.stall()
        struck.set()

    if side == "server":
        stage.strike_at(facts.Delivered, stall)
        broker.sendall(delivery(1) + delivery(2))
        receiver, expected = client, delivery(1) + delivery(2)
    else:
        broker.sendall(delivery(1) + delivery(2))
        receive(client, len(delivery(1) + delivery(2)))
        stage.strike_at(facts.Acked, stall)
        client.sendall(ack(1) + ack(2))
        receiver, expected = broker, ack(1) + ack(2)
    assert struck.wait(TIMEOUT)
    relay = relay_of(stage)
    do(stage)
    assert silent(receiver)
    do(stage, relay.ways.flow)
    assert receive(receiver, len(expected)) == expected


def test_what_a_cut_takes_out_of_a_stall(stage: Stage) -> None:
    """A connection that is cut in a stall takes what waited with it, as never passed on."""
    client, broker = stage.consuming()
    relay = relay_of(stage)
    do(stage, relay.ways.stall)
    broker.sendall(delivery(1))
    stage.connect()  # what was sent before has been read by then: one loop, in order of arrival
    do(stage, lambda: relay.close("fault"), relay.ways.flow)
    assert receive(client, 1) == b""
    assert all(not event.passed for event in stage.facts(facts.Delivered))  # type: ignore[attr-defined]


def test_what_is_swallowed_never_passed(stage: Stage) -> None:
    """Frames that a black hole swallows are written down as not passed on when they are said, both ways."""
    client, broker = stage.consuming()
    broker.sendall(delivery(1))
    receive(client, len(delivery(1)))
    relay = relay_of(stage)
    do(stage, relay.ways.swallow)
    broker.sendall(delivery(2))
    client.sendall(ack(1))
    _, second = stage.await_fact(facts.Delivered, 2)
    (acked,) = stage.await_fact(facts.Acked)
    assert [second.passed, acked.passed] == [False, False]  # type: ignore[attr-defined]
    assert silent(client)
    assert silent(broker)
    do(stage, lambda: relay.close("fault", reset=True))
    with pytest.raises(ConnectionResetError):
        client.recv(1)


@pytest.mark.parametrize("slow", [True, False], ids=["a slow line", "a receiver that does not read"])
def test_who_had_to_wait_is_swallowed_too(stage: Stage, slow: bool) -> None:
    """A sender that was read no more, since much of what it said waited, is read in a black hole."""
    client, _ = stage.consuming()
    relay = relay_of(stage)
    if slow:
        do(
            stage,
            lambda: stage.wire.weather.bring(
                Condition(number=1, kind="bandwidth", rate=1000.0), by_route=False
            ),
        )
    assert relay.client is not None
    sending = threading.Thread(target=client.sendall, args=(publish(bytes(32_000_000)),), daemon=True)
    sending.start()
    deadline = time.monotonic() + TIMEOUT
    while relay.client.is_reading() and time.monotonic() < deadline:
        time.sleep(0.001)
    assert not relay.client.is_reading()
    do(stage, relay.ways.swallow)
    sending.join(TIMEOUT)
    assert not sending.is_alive()


def test_x_in_a_black_hole(stage: Stage) -> None:
    """The frame that a black hole strikes before is gone with the rest."""
    client, broker = stage.consuming()

    async def swallow(held: Held) -> None:
        held.relay.ways.swallow()

    stage.strike_at(facts.Delivered, swallow)
    broker.sendall(delivery(1))
    (event,) = stage.await_fact(facts.Delivered)
    assert not event.passed  # type: ignore[attr-defined]
    assert silent(client)


def test_a_new_connection_in_a_hole(stage: Stage) -> None:
    """Who connects while a wire swallows is accepted, hears nothing, and reaches nobody."""
    wire = stage.wire
    do(stage, wire.swallow, wire.swallow, wire.hold_new)
    client = stage.client()
    client.sendall(b"AMQP\x00\x00\x09\x01")
    answers = []
    do(stage, lambda: answers.append(wire.give_back()), lambda: answers.append(wire.give_back()))
    assert answers == [False, True]
    assert silent(client)
    relay = relay_of(stage)
    do(stage, lambda: relay.close("fault", reset=True), wire.let_new)
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_after_x_on_a_slow_link(stage: Stage) -> None:
    """A delivery that goes to the client in pieces has arrived once the last of them has."""
    client, broker = stage.consuming()
    do(stage, lambda: stage.wire.weather.bring(Condition(number=1, kind="fragment", size=9), by_route=True))
    arrived = []

    async def strike(held: Held) -> None:
        arrived.append(await held.pass_on())
        held.relay.close("fault")

    stage.strike_at(facts.Delivered, strike)
    broker.sendall(delivery(1))
    assert receive(client, len(delivery(1))) == delivery(1)
    assert receive(client, 1) == b""
    assert arrived == [True]


def test_an_end_behind_what_is_late(stage: Stage) -> None:
    """The broker's last words and its end arrive in this order on a link that is slow by our own doing."""
    client, broker = stage.consuming()
    weather = stage.wire.weather
    do(stage, lambda: weather.bring(Condition(number=1, kind="latency", delay=0.05), by_route=False))
    broker.sendall(delivery(1))
    broker.close()
    assert receive(client, len(delivery(1)) + 1) == delivery(1)
    do(stage, lambda: weather.lift(1), lambda: weather.lift(1))
