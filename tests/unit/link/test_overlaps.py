"""The wire where several things happen to it at once, and where it fails itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import pytest
from amqp_streams import method
from pamqp import commands
from scripted import TIMEOUT, Stage, ack, delivery, do, message, receive, relay_of, silent

from pytest_mqchaos.link.held import Held
from pytest_mqchaos.link.relay import Relay, Strike
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.events import LinkEvent

BARRIER = method(commands.Exchange.Declare(exchange="amq.direct", passive=True))
BARRIER_ANSWER = method(commands.Exchange.DeclareOk())
GOODBYE = method(commands.Connection.Close(320, "CONNECTION_FORCED - shutdown", 0, 0), 0)


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A wire between two sockets of the test."""
    made = Stage()
    try:
        yield made
    finally:
        made.close()


def test_a_connection_that_two_hold_waits_for_both(stage: Stage) -> None:
    """The first to let go does not let the other's frames pass."""
    client, broker = stage.consuming()
    relay = relay_of(stage)
    do(stage, relay.hold, relay.hold, relay.release)
    broker.sendall(delivery(1))
    second, second_broker = stage.consuming()
    second_broker.sendall(delivery(2))
    assert receive(second, len(delivery(2))) == delivery(2)
    assert silent(client)
    do(stage, relay.release)
    assert receive(client, len(delivery(1))) == delivery(1)


def test_a_strike_within_a_hold(stage: Stage) -> None:
    """A connection that is held from outside while a strike has it stays held after it."""
    client, broker = stage.consuming()
    struck, go = threading.Event(), threading.Event()

    async def strike(held: Held) -> None:
        struck.set()
        await stage.thread.blocking(go.wait, TIMEOUT)

    stage.strike_at(facts.Delivered, strike)
    broker.sendall(delivery(1) + delivery(2))
    assert struck.wait(TIMEOUT)
    relay = relay_of(stage)
    do(stage, relay.hold)
    go.set()
    assert receive(client, len(delivery(1))) == delivery(1)
    assert silent(client)
    do(stage, relay.release)
    assert receive(client, len(delivery(2))) == delivery(2)


def test_a_goodbye_passes_what_is_held(stage: Stage) -> None:
    """Of what the broker says behind X only its goodbye arrives; the rest was never read by anybody."""
    client, broker = stage.consuming()
    ended = threading.Event()

    async def strike(held: Held) -> None:
        assert await held.pass_on()
        held.relay.let_goodbye()
        await held.relay.upstream_gone.wait()
        held.relay.close("broker")
        ended.set()

    stage.strike_at(facts.Delivered, strike)
    broker.sendall(delivery(1) + delivery(2) + delivery(3))
    assert receive(client, len(delivery(1))) == delivery(1)
    broker.sendall(delivery(4) + GOODBYE)
    assert receive(client, len(GOODBYE)) == GOODBYE
    broker.close()
    assert ended.wait(TIMEOUT)
    assert receive(client, 1) == b""
    passed = {fact.message: fact.passed for fact in stage.facts(facts.Delivered)}
    assert passed == {message(1): True, message(2): False, message(3): False, message(4): False}


def test_two_strikes_at_one_frame(stage: Stage) -> None:
    """One by the effects, one by the frame itself: both, in this order, on one held frame."""
    client, broker = stage.consuming()
    order: list[str] = []
    done = threading.Event()

    async def by_effect(held: Held) -> None:
        order.append("effect")
        held.take()

    async def by_frame(held: Held) -> None:
        order.append("frame")
        assert not await held.pass_on()
        done.set()

    stage.tap.before_settlement = lambda relay: by_effect  # type: ignore[method-assign]
    stage.strike_at(facts.Acked, by_frame)
    broker.sendall(delivery(1))
    stage.await_fact(facts.Delivered)
    client.sendall(ack(1))
    assert done.wait(TIMEOUT)
    assert order == ["effect", "frame"]
    assert [fact.passed for fact in stage.facts(facts.Acked)] == [False]
    assert silent(broker)


def test_a_second_strike_knows_that_x_arrived(stage: Stage) -> None:
    """X is passed on once, and its arrival is a fact for both."""
    client, broker = stage.consuming()
    arrived: list[bool] = []
    done = threading.Event()

    async def strike(held: Held) -> None:
        arrived.append(await held.pass_on())
        arrived.append(await held.pass_on())
        done.set()

    stage.strike_at(facts.Delivered, strike)
    broker.sendall(delivery(1))
    assert done.wait(TIMEOUT)
    assert arrived == [True, True]
    assert receive(client, len(delivery(1))) == delivery(1)
    assert silent(client)


def test_a_late_answer_is_not_another_barriers(stage: Stage) -> None:
    """Two barriers on one channel: the answer to the one given up on proves nothing of the second."""
    client, broker = stage.consuming()
    answers: list[bool] = []
    first, second = threading.Event(), threading.Event()

    def script(relay: Relay, found: Sequence[LinkEvent]) -> Strike | None:
        return strike if any(isinstance(fact, facts.Acked) for fact in found) else None

    async def strike(held: Held) -> None:
        answers.append(await held.pass_on(timeout=TIMEOUT if first.is_set() else 0.05))
        (second if first.is_set() else first).set()

    stage.tap.script = script
    broker.sendall(delivery(1) + delivery(2))
    stage.await_fact(facts.Delivered, 2)
    client.sendall(ack(1))
    assert receive(broker, len(ack(1) + BARRIER)) == ack(1) + BARRIER
    assert first.wait(TIMEOUT)
    client.sendall(ack(2))
    assert receive(broker, len(ack(2) + BARRIER)) == ack(2) + BARRIER
    broker.sendall(BARRIER_ANSWER)
    assert not second.wait(0.05)
    broker.sendall(BARRIER_ANSWER)
    assert second.wait(TIMEOUT)
    assert answers == [False, True]


def test_a_barrier_ends_with_its_connection(stage: Stage) -> None:
    """A strike does not wait for the answer of a broker that is gone."""
    client, broker = stage.consuming()
    answers: list[bool] = []
    done = threading.Event()

    async def strike(held: Held) -> None:
        answers.append(await held.pass_on(timeout=60))
        done.set()

    stage.strike_at(facts.Acked, strike)
    broker.sendall(delivery(1))
    stage.await_fact(facts.Delivered)
    client.sendall(ack(1))
    assert receive(broker, len(ack(1) + BARRIER)) == ack(1) + BARRIER
    do(stage, lambda: relay_of(stage).close("fault"))
    assert done.wait(TIMEOUT)
    assert answers == [False]


def test_a_strike_that_raises_lets_the_stream_go_on(stage: Stage) -> None:
    """Whatever happens to a strike, nobody is left standing."""
    client, broker = stage.consuming()
    raised: list[object] = []
    stage.thread.loop.set_exception_handler(lambda loop, context: raised.append(context))

    async def strike(held: Held) -> None:
        raise RuntimeError("a bug")

    stage.strike_at(facts.Delivered, strike)
    broker.sendall(delivery(1) + delivery(2))
    assert receive(client, 2 * len(delivery(1))) == delivery(1) + delivery(2)


def test_a_mistake_of_ours_is_not_the_consumers(stage: Stage) -> None:
    """What counts and matches fails: the bytes pass all the same, and the wire keeps the reason."""
    client, broker = stage.consuming()

    def script(relay: Relay, found: Sequence[LinkEvent]) -> Strike | None:
        raise ZeroDivisionError("a bug")

    stage.tap.script = script
    broker.sendall(delivery(1))
    assert receive(client, len(delivery(1))) == delivery(1)
    client.sendall(ack(1))
    assert receive(broker, len(ack(1))) == ack(1)
    assert isinstance(stage.wire.trouble, ZeroDivisionError)


def test_a_client_that_dies_during_a_strike(stage: Stage) -> None:
    """Its last words wait for the strike, and die or go on as it says; then its end is mirrored."""
    client, broker = stage.consuming()
    struck, go = threading.Event(), threading.Event()

    async def strike(held: Held) -> None:
        struck.set()
        await stage.thread.blocking(go.wait, TIMEOUT)

    stage.strike_at(facts.Acked, strike)
    broker.sendall(delivery(1) + delivery(2))
    stage.await_fact(facts.Delivered, 2)
    client.sendall(ack(1) + ack(2))
    client.close()
    assert struck.wait(TIMEOUT)
    assert silent(broker)
    go.set()
    assert receive(broker, len(ack(1) + ack(2)) + 1) == ack(1) + ack(2)
    assert [fact.by for fact in stage.await_fact(facts.LinkLost)] == ["client"]


def test_a_closed_wire_stays_closed(stage: Stage) -> None:
    """A fault that heals after the test opens nothing."""
    do(stage, stage.wire.refuse, stage.wire.close)
    stage.thread.call(stage.wire.welcome(), timeout=TIMEOUT, what="the welcome")
    with pytest.raises(ConnectionRefusedError):
        stage.client()


def test_welcomes_at_once_open_one_listener(stage: Stage) -> None:
    """A second listener on the same port would take connections while the first refuses."""
    do(stage, stage.wire.refuse)

    async def twice() -> None:
        first = stage.thread.spawn(stage.wire.welcome())
        await stage.wire.welcome()
        await first

    stage.thread.call(twice(), timeout=TIMEOUT, what="two welcomes")
    stage.consuming()
    do(stage, stage.wire.refuse)
    with pytest.raises(ConnectionRefusedError):
        stage.client()


def test_refused_again_while_opening(stage: Stage) -> None:
    """The last word counts."""
    do(stage, stage.wire.refuse)

    async def both() -> None:
        opening = stage.thread.spawn(stage.wire.welcome())
        for _ in range(3):
            stage.thread.loop.call_soon(lambda: None)
        stage.thread.loop.call_soon(stage.wire.refuse)
        await opening

    stage.thread.call(both(), timeout=TIMEOUT, what="welcome and refusal")
    do(stage, lambda: None)
    with pytest.raises(ConnectionRefusedError):
        stage.client()


def test_new_connections_wait_for_every_holder(stage: Stage) -> None:
    """Two cuts of one route at once: what comes in the meantime waits for both."""
    do(stage, stage.wire.hold_new, stage.wire.hold_new, stage.wire.let_new)
    client = stage.client()
    client.sendall(b"AMQP\x00\x00\x09\x01")
    assert all(relay.upstream is None for relay in stage.wire.connected())
    do(stage, stage.wire.let_new)
    broker, _ = stage._listener.accept()
    with broker:
        broker.settimeout(TIMEOUT)
        assert receive(broker, 8) == b"AMQP\x00\x00\x09\x01"


def test_a_slow_reader_slows_its_sender_after_a_strike_too(stage: Stage) -> None:
    """What a strike held goes on at the reader's pace; nothing is lost and nothing piles up without end."""
    client, broker = stage.consuming()
    frame = delivery(1)
    data = frame * 60_000

    async def strike(held: Held) -> None:
        await held.pass_on()

    stage.strike_at(facts.Delivered, strike, 100)
    sender = threading.Thread(target=broker.sendall, args=(data,))
    sender.start()
    assert receive(client, len(data)) == data
    sender.join(TIMEOUT)
    assert len(stage.facts(facts.Delivered)) == 60_000
