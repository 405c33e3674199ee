"""Builders: a run written as the events it consists of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from pytest_mqchaos.model.account import Account
from pytest_mqchaos.model.events import (
    Acked,
    Confirmed,
    ConsumerEnded,
    ConsumerStarted,
    Delivered,
    Effected,
    Event,
    FaultArmed,
    FaultFired,
    Published,
)
from pytest_mqchaos.model.faults import consumer_crash
from pytest_mqchaos.model.findings import Finding, Hazard
from pytest_mqchaos.model.guarantees import guarantee
from pytest_mqchaos.model.ledger import Ledger
from pytest_mqchaos.model.messages import Message, digest, message_id
from pytest_mqchaos.model.triggers import ack

if TYPE_CHECKING:
    from pytest_mqchaos.model.case import Case

RUN = "k3f9"
PUBLISHER: dict[str, Any] = {"link": "publisher", "connection": 1, "channel": 1}


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
    return Published(at=ms(at), message=name(number), **(PUBLISHER | fields))


def confirmed(number: int, at: float = 1.0, **fields: Any) -> Confirmed:
    """Return the confirm of a message."""
    return Confirmed(at=ms(at), message=name(number), **(PUBLISHER | fields))


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
        "ordered_evidence": True,
        "consumers": (),
        "ledger": fields.get("ledger") or Ledger.of(events, messages),
    }
    return cast("Case", SimpleNamespace(**(known | fields)))


CRASH = consumer_crash(after=ack(17))
AGAIN = "pytest 'tests/test_orders.py::test_orders[consumer_crash-after-ack-17]' --mqchaos-seed=4711"
LOST = Finding(
    kind="lost",
    detail="by_consumer",
    messages=(name(17),),
    claim="lost by the consumer: its ack reached the broker, its work was never done",
    cause="consumer_crash(after=ack(17))",
    mend="acknowledge after the work",
    fault=0,
    violation=True,
)


def one_lost() -> Account:
    """Return the account of the example that the documents show."""
    events = [event for n in range(1, 17) for event in done(n)]
    events = [
        FaultArmed(at=ms(-5), fault=0, description=str(CRASH)),
        ConsumerStarted(at=ms(-4), consumer="worker", pid=100),
        *events,
        published(17, 412),
        confirmed(17, 413),
        delivered(17, 431),
        acked(17, 431.2, effect_seen=False),
        FaultFired(
            at=ms(432.9), fault=0, description=str(CRASH), target="worker", message=name(17), actor="signal"
        ),
        ConsumerEnded(at=ms(433), consumer="worker", pid=100, exit_code=-9, by="fault", restarts=True),
        ConsumerStarted(at=ms(434), consumer="worker", pid=101),
        *(event for n in range(18, 201) for event in done(n, 500)),
    ]
    return Account(
        case(events, workload(200), faults=(CRASH,)),
        [LOST],
        [],
        allow=(),
        strict=False,
        seed=4711,
        timings={},
        again=AGAIN,
        scenario=CRASH.id,
    )


def found(kind: str, *numbers: int, detail: str = "", violation: bool = True, **fields: Any) -> Finding:
    """Return a finding about some messages, a violation unless said otherwise."""
    return Finding(
        kind=kind,
        detail=detail,
        messages=tuple(name(n) for n in numbers),
        violation=violation,
        **({"claim": f"{kind} in some way"} | fields),
    )


def account(*findings: Finding, hazards: Sequence[Hazard] = (), poison: int = 0, **fields: Any) -> Account:
    """Return the account of a run of 200 good messages with these findings."""
    events = [event for n in range(1, 201 + poison) for event in done(n)]
    of_case = {key: fields.pop(key) for key in ("evidence", "dead_letters", "faults") if key in fields}
    events += fields.pop("events", [])
    return Account(case(events, workload(200, poison), **of_case), findings, hazards, **fields)


UNKNOWN = found("lost", 1, unknown=True, claim="cannot be seen", mend="name a source")
VACUOUS = Finding(
    kind="vacuous", claim="consumer_crash(after=ack(900)) never struck", cause="there were 200 acks"
)
