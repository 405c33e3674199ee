"""The wire as its two peers see it, and what it writes into the history."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest
from amqp_streams import method
from pamqp import commands
from scripted import TIMEOUT, Stage, ack, delivery, message, receive

from pytest_mqchaos.link.held import Held
from pytest_mqchaos.model import events as facts

BARRIER = method(commands.Exchange.Declare(exchange="amq.direct", passive=True))
BARRIER_ANSWER = method(commands.Exchange.DeclareOk())


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A wire between two sockets of the test."""
    made = Stage()
    try:
        yield made
    finally:
        made.close()


def test_bytes_pass_unchanged_both_ways(stage: Stage) -> None:
    """What one side sends the other receives, to the byte."""
    client, broker = stage.consuming()
    for sender, receiver, data in ((broker, client, delivery(1)), (client, broker, ack(1))):
        sender.sendall(data)
        assert receive(receiver, len(data)) == data


def test_deliveries_and_acks_are_facts_of_their_message(stage: Stage) -> None:
    """The history knows which message an ack is about."""
    client, broker = stage.consuming()
    broker.sendall(delivery(1) + delivery(2))
    stage.await_fact(facts.Delivered, 2)
    client.sendall(method(commands.Basic.Ack(2, multiple=True)))
    acked = stage.await_fact(facts.Acked, 2)
    assert [(fact.message, fact.tag, fact.passed) for fact in acked] == [
        (message(1), 1, True),
        (message(2), 2, True),
    ]


@pytest.mark.parametrize("size", [1, 3, 7, 8, 20])
def test_an_ack_in_pieces_is_held_whole(stage: Stage, size: int) -> None:
    """Nothing of a frame that a fault strikes at has reached the broker, however it was cut on its way."""
    client, broker = stage.consuming()
    struck, go = threading.Event(), threading.Event()

    async def strike(held: Held) -> None:
        struck.set()
        await stage.thread.blocking(go.wait, TIMEOUT)
        held.take()

    stage.strike_at(facts.Acked, strike)
    broker.sendall(delivery(1))
    stage.await_fact(facts.Delivered)
    frame = ack(1)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for at in range(0, len(frame), size):
        client.sendall(frame[at : at + size])
    assert struck.wait(TIMEOUT)
    broker.setblocking(False)
    with pytest.raises(BlockingIOError):
        broker.recv(1)
    go.set()
    assert [fact.passed for fact in stage.await_fact(facts.Acked)] == [False]


def test_after_an_ack_the_barrier_stands_directly_behind_it(stage: Stage) -> None:
    """The broker sees the ack, then the barrier, and nothing that the client sent later."""
    client, broker = stage.consuming()
    passed: list[bool] = []
    done = threading.Event()

    async def strike(held: Held) -> None:
        passed.append(await held.pass_on())
        done.set()

    stage.strike_at(facts.Acked, strike)
    broker.sendall(delivery(1) + delivery(2))
    stage.await_fact(facts.Delivered, 2)
    client.sendall(ack(1) + ack(2))
    assert receive(broker, len(ack(1) + BARRIER)) == ack(1) + BARRIER
    broker.sendall(BARRIER_ANSWER + delivery(3))
    assert done.wait(TIMEOUT)
    assert passed == [True]
    assert len(stage.facts(facts.Processed)) == 1
    # The answer is swallowed, and the stream goes on.
    two = delivery(1) + delivery(2)
    assert receive(client, len(two + delivery(3))) == two + delivery(3)
    assert receive(broker, len(ack(2))) == ack(2)


def test_a_barrier_that_is_not_answered_has_a_deadline(stage: Stage) -> None:
    """A broker that does not answer holds nothing up for longer than the deadline."""
    client, broker = stage.consuming()
    passed: list[bool] = []

    async def strike(held: Held) -> None:
        passed.append(await held.pass_on(timeout=0.05))

    stage.strike_at(facts.Acked, strike)
    broker.sendall(delivery(1))
    stage.await_fact(facts.Delivered)
    client.sendall(ack(1) + ack(9))
    assert receive(broker, len(ack(1) + BARRIER + ack(9))) == ack(1) + BARRIER + ack(9)
    assert passed == [False]
    assert stage.facts(facts.Processed) == []


def test_after_a_delivery_the_client_has_it(stage: Stage) -> None:
    """When a strike after a delivery begins, the bytes are in the client's socket and no later ones are."""
    client, broker = stage.consuming()
    had: list[bytes] = []
    done = threading.Event()

    async def strike(held: Held) -> None:
        assert await held.pass_on()
        client.setblocking(False)
        had.append(client.recv(65536))
        client.settimeout(TIMEOUT)
        done.set()

    stage.strike_at(facts.Delivered, strike)
    broker.sendall(delivery(1) + delivery(2))
    assert done.wait(TIMEOUT)
    assert had == [delivery(1)]
    assert receive(client, len(delivery(2))) == delivery(2)


def test_what_waits_behind_a_strike_dies_with_the_connection(stage: Stage) -> None:
    """Acks behind the one struck at were sent and never passed on."""
    client, broker = stage.consuming()

    async def strike(held: Held) -> None:
        held.take()
        held.relay.close("fault")

    stage.strike_at(facts.Acked, strike)
    broker.sendall(delivery(1) + delivery(2))
    stage.await_fact(facts.Delivered, 2)
    client.sendall(ack(1) + ack(2))
    acked = stage.await_fact(facts.Acked, 2)
    assert [(fact.tag, fact.passed) for fact in acked] == [(1, False), (2, False)]
    assert receive(broker, 1) == b""


def test_a_fin_of_the_broker_is_a_fin_to_the_client(stage: Stage) -> None:
    """The client reads all that was sent, then the end of the stream."""
    client, broker = stage.consuming()
    broker.sendall(delivery(1))
    broker.close()
    assert receive(client, len(delivery(1)) + 1) == delivery(1)


def test_a_fin_of_the_client_is_a_fin_to_the_broker(stage: Stage) -> None:
    """The broker reads all that was sent, then the end of the stream."""
    client, broker = stage.consuming()
    broker.sendall(delivery(1))
    stage.await_fact(facts.Delivered)
    client.sendall(ack(1))
    client.shutdown(socket.SHUT_WR)
    assert receive(broker, len(ack(1)) + 1) == ack(1)
    lost = stage.await_fact(facts.LinkLost)
    assert [fact.by for fact in lost] == ["client"]


def test_a_reset_is_felt_on_an_idle_connection(stage: Stage) -> None:
    """Both peers get an RST, at once."""
    client, broker = stage.consuming()

    async def reset() -> None:
        for relay in stage.wire.connected():
            relay.close("fault", reset=True)

    stage.thread.call(reset(), timeout=TIMEOUT, what="the reset")
    for own in (client, broker):
        with pytest.raises(ConnectionResetError):
            own.recv(1)


def test_a_cut_is_a_fin_even_when_the_client_is_talking(stage: Stage) -> None:
    """Bytes of the client that nobody read do not turn the FIN into an RST."""
    client, _ = stage.consuming()

    async def cut() -> None:
        for relay in stage.wire.connected():
            relay.close("fault")

    client.sendall(ack(1) * 200)
    stage.thread.call(cut(), timeout=TIMEOUT, what="the cut")
    assert client.recv(1) == b""


def test_refused_then_welcome_at_the_same_port(stage: Stage) -> None:
    """While refused, connecting is refused; afterwards the address is the same."""

    async def refuse() -> None:
        stage.wire.refuse()

    stage.thread.call(refuse(), timeout=TIMEOUT, what="refusing")
    with pytest.raises(ConnectionRefusedError):
        stage.client()
    stage.thread.call(stage.wire.welcome(), timeout=TIMEOUT, what="the welcome")
    stage.consuming()


def test_nobody_takes_the_port_of_a_link_that_refuses(stage: Stage) -> None:
    """Engines, Go's and Erlang's servers bind ports with SO_REUSEADDR: a reservation that has it as well is none."""

    async def refuse() -> None:
        stage.wire.refuse()

    client, _ = stage.consuming()  # connections that were open are no obstacle, to anybody
    stage.thread.call(refuse(), timeout=TIMEOUT, what="refusing")
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            thief.bind((stage.wire.host, stage.wire.port))
    client.close()
    stage.thread.call(stage.wire.welcome(), timeout=TIMEOUT, what="the welcome")
    stage.consuming()


def test_who_is_accepted_when_the_link_refuses_is_told_so(stage: Stage) -> None:
    """A connection that was accepted and not begun when the listener closes is reset: nobody waits for ever."""

    async def refuse() -> socket.socket:
        client = stage.client()  # the kernel has it, and nobody has accepted it yet
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # now it is accepted, and what begins it runs behind us
        stage.wire.refuse()
        return client

    client = stage.thread.call(refuse(), timeout=TIMEOUT, what="refusing")
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_two_refusals_want_two_welcomes(stage: Stage) -> None:
    """Overlapping faults do not heal each other."""

    async def refuse() -> None:
        stage.wire.refuse()
        stage.wire.refuse()

    stage.thread.call(refuse(), timeout=TIMEOUT, what="refusing")
    stage.thread.call(stage.wire.welcome(), timeout=TIMEOUT, what="the welcome")
    with pytest.raises(ConnectionRefusedError):
        stage.client()
    stage.thread.call(stage.wire.welcome(), timeout=TIMEOUT, what="the welcome")
    stage.consuming()


def test_an_unreachable_broker_resets_the_client(stage: Stage) -> None:
    """A client whose link leads nowhere is not left hanging."""
    stage.unplug()
    with pytest.raises(ConnectionResetError):
        stage.client().recv(1)
    assert stage.wire.upstream_error


def test_what_is_not_amqp_passes(stage: Stage) -> None:
    """Another protocol goes through unscanned, both ways."""
    client, broker = stage.connect()
    client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert receive(broker, 18) == b"GET / HTTP/1.1\r\n\r\n"
    broker.sendall(b"HTTP/1.1 400\r\n\r\n")
    assert receive(client, 16) == b"HTTP/1.1 400\r\n\r\n"


def test_a_large_stream_survives_back_pressure(stage: Stage) -> None:
    """A slow reader slows the sender down; no byte is lost."""
    client, broker = stage.consuming()
    data = delivery(1) * 40_000

    sender = threading.Thread(target=broker.sendall, args=(data,))
    sender.start()
    assert receive(client, len(data)) == data
    sender.join(TIMEOUT)


def test_a_busy_client_sees_the_end_of_the_stream(stage: Stage) -> None:
    """An end by a FIN stays one for a client that goes on sending; only one that never reads is told by an RST."""
    client, broker = stage.consuming()
    broker.sendall(delivery(1) + delivery(2))
    stage.await_fact(facts.Delivered, 2)
    broker.close()
    stage.await_fact(facts.LinkLost)
    client.sendall(ack(1))
    client.sendall(ack(2))
    two = delivery(1) + delivery(2)
    assert receive(client, len(two)) == two
    assert client.recv(1) == b""
    stage.await_end_of(client)


def test_a_client_that_does_not_read_is_told_by_a_reset(stage: Stage) -> None:
    """Behind the FIN nobody listens for ever: who only sends learns of the end too."""
    client, broker = stage.consuming()
    broker.close()
    stage.await_fact(facts.LinkLost)
    stage.await_end_of(client)
