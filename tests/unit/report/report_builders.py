"""Builders: a run with all that a report can show, and the document of a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from account_builders import (
    AGAIN,
    CRASH,
    acked,
    case,
    confirmed,
    delivered,
    effected,
    found,
    ms,
    name,
    published,
    workload,
)

from pytest_mqchaos.model.account import Account
from pytest_mqchaos.model.case import ConsumerFacts, Output
from pytest_mqchaos.model.events import (
    CensusTaken,
    ConsumerEnded,
    ConsumerStarted,
    Event,
    FaultArmed,
    FaultFired,
    FaultHealed,
    LinkLost,
    LinkOpened,
    SettleEnded,
    Subscribed,
)
from pytest_mqchaos.model.faults import refuse
from pytest_mqchaos.model.findings import Finding, Hazard
from pytest_mqchaos.model.ledger import Ledger
from pytest_mqchaos.model.messages import Message
from pytest_mqchaos.model.topology import QueueState, Topology
from pytest_mqchaos.model.triggers import delivery
from pytest_mqchaos.report.document import document, run_record

REFUSE = refuse(after=delivery(6), duration=0.5)
NODE = "tests/test_orders.py::test_orders[consumer_crash-after-ack-3]"
STARTED = "2026-07-01T12:00:00+00:00"


def crew(link: str, connection: int, at: float, pid: int) -> list[Event]:
    """Return the start of a consumer: its process, its connection, its subscription."""
    where: dict[str, Any] = {"link": link, "connection": connection}
    return [
        ConsumerStarted(at=ms(at), consumer=link, pid=pid),
        LinkOpened(at=ms(at + 10), **where),
        Subscribed(at=ms(at + 20), channel=1, consumer_tag="c", queue="orders", prefetch=10, **where),
    ]


def eventful() -> list[Event]:
    """Return a run of ten messages and two workers.

    `worker` acknowledges 3 and dies before its effect; 4 was in its hand and comes again to `worker#2`, whose
    connection is refused for half a second from 300 ms on.
    """
    two: dict[str, Any] = {"link": "worker#2", "connection": 3}
    events: list[Event] = [
        FaultArmed(at=ms(-250), fault=0, description=str(CRASH)),
        FaultArmed(at=ms(-250), fault=1, description=str(REFUSE)),
        *crew("worker", 2, -200, 100),
        *crew("worker#2", 3, -180, 200),
    ]
    for n in range(1, 11):
        events += [published(n, n, routing_key="orders"), confirmed(n, n + 1)]
    for n in (1, 2):
        events += [delivered(n, 20 * n), effected(n, 20 * n + 10), acked(n, 20 * n + 10, effect_seen=True)]
    events += [
        delivered(3, 60),
        delivered(4, 60),
        acked(3, 70, effect_seen=False),
        FaultFired(
            at=ms(72), fault=0, description=str(CRASH), target="worker", message=name(3), actor="signal",
            trigger=f"ack(3) ({name(3)})", delay=0.002,
        ),
        LinkLost(at=ms(72), link="worker", connection=2, by="client"),
        ConsumerEnded(at=ms(73), consumer="worker", pid=100, exit_code=-9, by="fault", restarts=True),
        *crew("worker", 4, 100, 101),
    ]  # fmt: skip
    for n in range(4, 8):
        events += [
            delivered(n, 110 + n, **two),
            effected(n, 120 + n, consumer="worker#2"),
            acked(n, 121 + n, **two),
        ]
    events += [
        FaultFired(at=ms(300), fault=1, description=str(REFUSE), target="worker#2", actor="toxiproxy"),
        LinkLost(at=ms(301), link="worker#2", connection=3, by="fault"),
        FaultHealed(at=ms(800), fault=1),
        LinkOpened(at=ms(810), link="worker#2", connection=5),
        Subscribed(
            at=ms(811),
            link="worker#2",
            connection=5,
            channel=1,
            consumer_tag="c",
            queue="orders",
            prefetch=10,
        ),
    ]
    for n in range(8, 11):
        again: dict[str, Any] = {"link": "worker#2", "connection": 5, "tag": n}
        events += [
            delivered(n, 812 + n, **again),
            effected(n, 822 + n, consumer="worker#2"),
            acked(n, 823 + n, **again),
        ]
    state = QueueState(
        name="orders",
        type="quorum",
        consumers=2,
        exact=True,
        arguments={"x-queue-type": "quorum"},
        delivery_limit=20,
    )
    return [
        *events,
        CensusTaken(at=ms(1500), topology=Topology(), queues=(state,)),
        SettleEnded(at=ms(2000), settled=True),
    ]


LOST = Finding(
    kind="lost",
    detail="by_consumer",
    messages=(name(3),),
    claim="lost by the consumer: its ack reached the broker, its work was never done",
    cause=str(CRASH),
    mend="acknowledge after the work",
    fault=0,
    violation=True,
)
CONSUMERS = (
    ConsumerFacts(
        name="worker",
        alive=True,
        output=(Output(100, ("starting", "Traceback: boom"), 12), Output(101, ("starting again",))),
    ),
    ConsumerFacts(name="worker#2", alive=True),
)


def judged(
    *findings: Finding,
    events: Sequence[Event] | None = None,
    messages: dict[str, Message] | None = None,
    hazards: Sequence[Hazard] = (),
    consumers: Sequence[ConsumerFacts] = CONSUMERS,
    **fields: Any,
) -> Account:
    """Return the account of the eventful run with these findings."""
    told = eventful() if events is None else list(events)
    known = workload(10) if messages is None else messages
    made = case(
        told, known, faults=(CRASH, REFUSE), consumers=tuple(consumers), ledger=Ledger.of(told, known)
    )
    settings = {
        "seed": 4711,
        "again": AGAIN,
        "scenario": "consumer_crash-after-ack-3",
        "timings": {"settle": 1.5},
    }
    return Account(made, findings, hazards, **(settings | fields))


def failing(**fields: Any) -> dict[str, Any]:
    """Return the record of the eventful run, which lost a message."""
    hazard = Hazard(
        kind="acked_before_effect", claim="acks early", consumer="worker", count=1, confirmed=True
    )
    account = judged(LOST, found("redelivered", 4, violation=False), hazards=[hazard], notes=["a note"])
    known: dict[str, Any] = {"nodeid": NODE, "attempt": 1, "outcome": "failed", "reproduce": AGAIN}
    return run_record(account, **(known | {"settings": {"strict": False, "settle_timeout": 30.0}} | fields))


def passing(test: str = "test_orders", scenario: str = "baseline", **fields: Any) -> dict[str, Any]:
    """Return the record of a run as promised."""
    known: dict[str, Any] = {
        "nodeid": f"tests/test_orders.py::{test}[{scenario}]",
        "attempt": 1,
        "outcome": "passed",
        "reproduce": f"pytest 'tests/test_orders.py::{test}[{scenario}]'",
    }
    return run_record(judged(), scenario=scenario, **(known | fields))


def session(*runs: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """Return the document of a session of these runs."""
    known: dict[str, Any] = {
        "finished": "2026-07-01T12:01:00+00:00",
        "settings": [{"name": "servers", "value": "docker", "origin": "ini"}],
        "environment": {"python": "CPython 3.13.1"},
    }
    servers = fields.pop("servers", {"version": "4.0.5", "description": "RabbitMQ 4.0.5 (docker)"})
    return document(runs, servers, "0.1.0", STARTED, **(known | fields))
