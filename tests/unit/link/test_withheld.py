"""A delivery that the wire loses itself: the client is not given it, the broker is told that it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from scripted import Stage, ack, delivery, message, receive, silent

from pytest_mqchaos.link.held import Held
from pytest_mqchaos.model import events as facts


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A wire between two sockets."""
    made = Stage()
    yield made
    made.close()


def losing(said: list[str]) -> object:
    """Return a strike that loses what is held, and notes why not."""

    async def strike(held: Held) -> None:
        said.append(held.lose())

    return strike


def test_one_of_three_is_lost(stage: Stage) -> None:
    """The other two arrive; the ack stands behind what the client said before, and is in the history as passed."""
    said: list[str] = []
    stage.strike_at(facts.Delivered, losing(said), number=2)  # type: ignore[arg-type]
    client, broker = stage.consuming()
    broker.sendall(delivery(1) + delivery(2) + delivery(3))
    rest = delivery(1) + delivery(3)
    assert receive(client, len(rest)) == rest
    assert receive(broker, len(ack(2))) == ack(2)
    assert said == [""]
    assert silent(client)
    (settled,) = stage.await_fact(facts.Acked)
    assert (settled.message, settled.passed, settled.effect_seen) == (message(2), True, None)  # type: ignore[attr-defined]
    assert [each.passed for each in stage.facts(facts.Delivered)] == [True] * 3  # type: ignore[attr-defined]


def test_one_whose_connection_has_ended(stage: Stage) -> None:
    """It cannot be lost any more, and says so."""
    said: list[str] = []

    async def strike(held: Held) -> None:
        held.relay.close("fault", reset=True)
        said.append(held.lose())

    stage.strike_at(facts.Delivered, strike)
    _, broker = stage.consuming()
    broker.sendall(delivery(1))
    stage.await_fact(facts.Delivered)
    assert said == ["its connection has ended"]


def test_what_the_client_says_meanwhile_comes_behind(stage: Stage) -> None:
    """An ack that waits for the strike is passed on after ours."""
    said: list[str] = []
    client, broker = stage.consuming()
    broker.sendall(delivery(1))
    assert receive(client, len(delivery(1))) == delivery(1)

    async def strike(held: Held) -> None:
        client.sendall(ack(1))
        while not held.relay.from_client.waiting:
            await asyncio.sleep(0.001)  # between two looks at what has arrived
        said.append(held.lose())

    stage.strike_at(facts.Delivered, strike)
    broker.sendall(delivery(2))
    both = ack(2) + ack(1)
    assert receive(broker, len(both)) == both
    assert said == [""]
