"""Builders: a run written as the events it consists of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from pytest_mqchaos.model.events import Acked, Confirmed, Delivered, Effected, Event, Published
from pytest_mqchaos.model.guarantees import guarantee
from pytest_mqchaos.model.messages import Message, digest, message_id

if TYPE_CHECKING:
    from pytest_mqchaos.model.case import Case

RUN = "k3f9"


def ms(milliseconds: float) -> int:
    """Return a moment of the clock, milliseconds after the run's zero."""
    return 1_000_000_000 + round(milliseconds * 1e6)


def name(number: int, stem: str = "orders") -> str:
    """Return the id of a message of the run."""
    return message_id(stem, RUN, number)


def message(number: int, **fields: Any) -> Message:
    """Return a message of the workload."""
    body = fields.pop("body", b'{"order":%d}' % number)
    made = Message(id=name(number), number=number, body=body, digest=digest(body), queue="orders")
    return replace(made, **fields)


def workload(count: int, poison: int = 0) -> dict[str, Message]:
    """Return `count` good messages and `poison` that are not, by id."""
    good = [message(n) for n in range(1, count + 1)]
    bad = [message(count + n, poison=True, kind="truncated", body=b"{") for n in range(1, poison + 1)]
    return {each.id: each for each in [*good, *bad]}


def published(number: int, at: float = 0.0, **fields: Any) -> Published:
    """Return the publish of a message."""
    return Published(at=ms(at), link="publisher", connection=1, channel=1, message=name(number), **fields)


def confirmed(number: int, at: float = 1.0, **fields: Any) -> Confirmed:
    """Return the confirm of a message."""
    return Confirmed(at=ms(at), link="publisher", connection=1, channel=1, message=name(number), **fields)


def delivered(number: int, at: float = 2.0, **fields: Any) -> Delivered:
    """Return a delivery to `worker`, its tag the number of the message unless given."""
    known: dict[str, Any] = {
        "link": "worker",
        "connection": 2,
        "channel": 1,
        "tag": number,
        "queue": "orders",
    }
    return Delivered(at=ms(at), message=name(number), **(known | fields))


def acked(number: int, at: float = 4.0, **fields: Any) -> Acked:
    """Return the ack of `worker`, of the tag of `delivered`."""
    known: dict[str, Any] = {"link": "worker", "connection": 2, "channel": 1, "tag": number}
    return Acked(at=ms(at), message=name(number), **(known | fields))


def effected(number: int, at: float = 3.0, **fields: Any) -> Effected:
    """Return the effect of a message, as its line in `orders.log` says."""
    return Effected(
        **({"at": ms(at), "message": name(number), "source": "orders.log", "name": name(number)} | fields)
    )


def done(number: int, at: float = 0.0) -> list[Event]:
    """Return the whole life of a message that was worked on in order."""
    return [
        published(number, at),
        confirmed(number, at + 1),
        delivered(number, at + 2),
        effected(number, at + 3),
        acked(number, at + 4, effect_seen=True),
    ]


def case(events: Sequence[Event], messages: dict[str, Message], **fields: Any) -> Case:
    """Return what an account reads of a case."""
    known: dict[str, Any] = {
        "events": tuple(events),
        "messages": messages,
        "faults": (),
        "guarantee": guarantee("at-least-once"),
        "evidence": "effects",
        "dead_letters": frozenset(),
    }
    return cast("Case", SimpleNamespace(**(known | fields)))
