"""What is published on a link: the workload on that of who publishes it, a consumer's own on all others."""

from __future__ import annotations

import pytest
from pamqp import commands as c

from pytest_mqchaos.link.identity import Identity
from pytest_mqchaos.link.publishing import Publishing
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.messages import Message, digest
from pytest_mqchaos.wire.amqp import Properties
from pytest_mqchaos.wire.amqp import events as wire

KNOWN = Message(
    id="orders-k3f9-000001",
    number=1,
    body=b"one",
    digest=digest(b"one"),
    message_id="order-1",
    producer="billing",
)


def sent(body: bytes, number: int | None, message_id: str | None = None) -> wire.PublishSent:
    """A publish."""
    properties = Properties(c.Basic.Properties(message_id=message_id).marshal())
    return wire.PublishSent(1, "", "orders", True, properties, body, digest(body), len(body), number)


def answered(*numbers: int, nack: bool = False) -> wire.ConfirmReceived:
    """The broker's answer to some publishes."""
    return wire.ConfirmReceived(1, nack, max(numbers), len(numbers) > 1, numbers)


@pytest.fixture
def identity() -> Identity:
    """The identities of a run that knows one message."""
    found = Identity("k3f9")
    found.learn(KNOWN)
    return found


def described(publishing: Publishing, event: wire.WireEvent) -> list[tuple[str, str | None]]:
    """What an event means, by kind and message."""
    found = publishing.handlers[type(event)](event)
    return [(type(fact).__name__, fact.message) for fact in found]


def test_a_consumers_own_publishing(identity: Identity) -> None:
    """A copy of a message of ours and a message of its own are two things, and each has its confirm."""
    link = Publishing("worker", 1, identity, publisher=False)
    assert described(link, sent(b"one", 1, "order-1")) == [("Republished", KNOWN.id)]
    assert described(link, sent(b"bill", 2)) == [("Emitted", None)]
    assert described(link, answered(1, 2)) == [("OwnConfirmed", KNOWN.id), ("OwnConfirmed", None)]
    assert described(link, answered(1)) == []


def test_what_a_consumer_is_refused(identity: Identity) -> None:
    """A nack is no confirm, whoever gets it."""
    link = Publishing("worker", 1, identity, publisher=False)
    described(link, sent(b"bill", 1))
    assert described(link, answered(1, nack=True)) == []
    assert described(link, answered(1)) == []


def test_a_producers_publishing_is_the_workload(identity: Identity) -> None:
    """What it sends is what it is told to be, with the body it had then."""
    link = Publishing("billing", 1, identity, publisher=True, adopt=lambda _event: KNOWN.id)
    (published,) = link.handlers[wire.PublishSent](sent(b"two", 1))
    assert isinstance(published, facts.Published)
    assert (published.message, published.digest) == (KNOWN.id, digest(b"two"))
    assert described(link, answered(1, nack=True)) == [("PublishNacked", KNOWN.id)]
    described(link, sent(b"two", 2))
    assert described(link, answered(2)) == [("Confirmed", KNOWN.id)]


def test_a_delivery_is_known_by_the_applications_own_id(identity: Identity) -> None:
    """By `message_id` before the body, as long as no two messages have it."""
    properties = Properties(c.Basic.Properties(message_id="order-1").marshal())
    assert identity.of(properties, b"other", digest(b"other")) == (KNOWN.id, "message_id")
    identity.learn(
        Message(id="orders-k3f9-000002", number=2, body=b"two", digest=digest(b"two"), message_id="order-1")
    )
    assert identity.of(properties, b"other", digest(b"other")) == (None, "")
    assert identity.of(properties, b"two", digest(b"two")) == ("orders-k3f9-000002", "digest")
