"""Builders: a run in a few words, as the events it consists of.

`Run(3)` is a run of three good messages to `orders`. Each call appends one fact, a millisecond after the one before;
messages go by number, deliveries by what `deliver` returned. `found(run)` judges it and says what was found.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from pytest_mqchaos.checks import judge
from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.case import Case, ConsumerFacts
from pytest_mqchaos.model.faults import Fault
from pytest_mqchaos.model.findings import Finding, Hazard
from pytest_mqchaos.model.guarantees import Guarantee, guarantee
from pytest_mqchaos.model.ledger import Ledger
from pytest_mqchaos.model.messages import Message, digest, message_id
from pytest_mqchaos.model.topology import Binding, QueueState, Topology

TOKEN = "k3f9"
SECOND = 1000.0


def name(number: int) -> str:
    """Return the id of a message."""
    return message_id("orders", TOKEN, number)


def queue(
    queue_name: str, ready: int = 0, unacknowledged: int = 0, transit: int = 0, **settings: Any
) -> QueueState:
    """Return the state of a queue, classic, durable and counted exactly."""
    known: dict[str, Any] = {"type": "classic", "exact": True}
    return QueueState(
        name=queue_name, ready=ready, unacknowledged=unacknowledged, transit=transit, **(known | settings)
    )


@dataclass(frozen=True)
class Hand:
    """One delivery in hand."""

    message: str | None
    link: str
    connection: int
    channel: int
    tag: int


class Run:
    """A run that is being written."""

    def __init__(self, good: int = 1, *, poison: int = 0, to: str = "orders", **fields: Any) -> None:
        self.events: list[e.Event] = []
        self.messages: dict[str, Message] = {}
        self.clock = 0.0
        self.faults: list[Fault] = []
        self.settings: dict[str, Any] = {}
        self.bindings: list[Binding] = []
        self.exchanges: dict[str, str] = {}
        self._connections: dict[str, int] = {}
        self._next_connection = 10
        self._tags: dict[tuple[int, int], int] = {}
        for number in range(1, good + poison + 1):
            bad = number > good
            body = b"{" if bad else b'{"order":%d}' % number
            made = Message(
                id=name(number), number=number, body=body, digest=digest(body), queue=to, routing_key=to
            )
            self.messages[made.id] = replace(made, poison=bad, kind="truncated" if bad else "", **fields)

    # --- time and events ---

    def wait(self, milliseconds: float) -> Run:
        """Let time pass."""
        self.clock += milliseconds
        return self

    def add(self, kind: type[e.Event], /, **fields: Any) -> None:
        """Append a fact."""
        self.clock += 1.0
        self.events.append(kind(at=1_000_000_000 + round(self.clock * 1e6), **fields))

    # --- the workload ---

    def publish(
        self,
        *numbers: int,
        confirm: bool = True,
        exchange: str = "",
        routing_key: str = "orders",
        passed: bool = True,
    ) -> Run:
        """Publish messages (all of them without numbers), each with its confirm."""
        place = {"link": "publisher", "connection": 1, "channel": 1}
        for number in numbers or range(1, len(self.messages) + 1):
            self.add(
                e.Published,
                message=name(number),
                exchange=exchange,
                routing_key=routing_key,
                passed=passed,
                **place,
            )
            if confirm and passed:
                self.add(e.Confirmed, message=name(number), **place)
        return self

    def answer(self, number: int, kind: type[e.Event] = e.Confirmed, **fields: Any) -> Run:
        """Append an answer to the publisher."""
        self.add(kind, message=name(number), link="publisher", connection=1, channel=1, **fields)
        return self

    # --- consumers ---

    def connection(self, link: str) -> int:
        """Return the open connection of a link, opening one if there is none."""
        if link not in self._connections:
            self._next_connection += 1
            self._connections[link] = self._next_connection
            self.add(e.LinkOpened, link=link, connection=self._next_connection)
        return self._connections[link]

    def subscribe(
        self, queue_name: str = "orders", *, link: str = "worker", auto_ack: bool = False, prefetch: int = 10
    ) -> Run:
        """Have a consumer read a queue."""
        self.add(
            e.Subscribed,
            link=link,
            connection=self.connection(link),
            channel=1,
            consumer_tag=f"{link}-{queue_name}",
            queue=queue_name,
            auto_ack=auto_ack,
            prefetch=prefetch,
        )
        return self

    def deliver(
        self,
        number: int | None,
        queue_name: str = "orders",
        *,
        link: str = "worker",
        channel: int = 1,
        **fields: Any,
    ) -> Hand:
        """Hand a message to a consumer; None stands for a message that is not ours."""
        connection = self.connection(link)
        tag = self._tags[connection, channel] = self._tags.get((connection, channel), 0) + 1
        message = None if number is None else name(number)
        known: dict[str, Any] = {"queue": queue_name, "consumer_tag": f"{link}-{queue_name}"}
        if message is not None and message in self.messages:
            known["digest"] = self.messages[message].digest
        self.add(
            e.Delivered,
            message=message,
            link=link,
            connection=connection,
            channel=channel,
            tag=tag,
            **(known | fields),
        )
        return Hand(message, link, connection, channel, tag)

    def settle(self, kind: type[e.Event], hand: Hand, **fields: Any) -> Run:
        """Append a settlement of a delivery."""
        place = {"link": hand.link, "connection": hand.connection, "channel": hand.channel}
        self.add(kind, message=hand.message, tag=hand.tag, **place, **fields)
        return self

    def ack(self, *hands: Hand, **fields: Any) -> Run:
        """Acknowledge deliveries."""
        for hand in hands:
            self.settle(e.Acked, hand, **fields)
        return self

    def nack(self, *hands: Hand, requeue: bool = True, **fields: Any) -> Run:
        """Give deliveries back, or up."""
        for hand in hands:
            self.settle(e.Nacked, hand, requeue=requeue, **fields)
        return self

    def effect(self, *numbers: int, link: str | None = "worker", **fields: Any) -> Run:
        """Show the work that was done for messages."""
        for number in numbers:
            known: dict[str, Any] = {"source": "orders.log", "name": name(number), "consumer": link}
            self.add(e.Effected, message=name(number), **(known | fields))
        return self

    def work(self, *numbers: int, link: str = "worker", queue_name: str = "orders", **fields: Any) -> Run:
        """Deliver, do the work, acknowledge."""
        for number in numbers:
            hand = self.deliver(number, queue_name, link=link, **fields)
            self.effect(number, link=link)
            self.ack(hand, effect_seen=True)
        return self

    def republish(
        self, number: int, routing_key: str, *, exchange: str = "", link: str = "worker", **fields: Any
    ) -> Run:
        """Have the application publish a copy."""
        self.add(
            e.Republished,
            message=name(number),
            exchange=exchange,
            routing_key=routing_key,
            link=link,
            connection=self.connection(link),
            channel=1,
            **fields,
        )
        return self

    def on_channel(self, kind: type[e.Event], link: str = "worker", /, **fields: Any) -> Run:
        """Append a fact of a link's first channel."""
        self.add(kind, link=link, connection=self.connection(link), channel=1, **fields)
        return self

    def barrier(self, link: str = "worker") -> Run:
        """Have the broker answer the barrier on a link's first channel."""
        return self.on_channel(e.Processed, link)

    def lose(self, link: str = "worker", *, by: str = "fault", **fields: Any) -> Run:
        """End the connection of a link."""
        if link == "publisher":
            fields.setdefault("connection", 1)
        else:
            fields["connection"] = self.connection(link)
            del self._connections[link]
        self.add(e.LinkLost, link=link, by=by, **fields)
        return self

    def start(self, link: str = "worker", pid: int = 100) -> Run:
        """Start a consumer's process."""
        self.add(e.ConsumerStarted, consumer=link, pid=pid)
        return self

    def end(self, link: str = "worker", *, by: str = "fault", exit_code: int = -9, pid: int = 100) -> Run:
        """End a consumer's process."""
        self.add(e.ConsumerEnded, consumer=link, pid=pid, exit_code=exit_code, by=by)
        return self

    def crash(self, link: str = "worker", fault: int | None = None) -> Run:
        """Kill a consumer: its process, then its connection; with `fault`, by that fault."""
        if fault is not None:
            self.fire(fault, link, actor="signal")
        return self.end(link).lose(link)

    def restart_broker(self, how: str = "restart", *links: str) -> Run:
        """Stop and start the broker; the links given, `worker` without any, lose their connections."""
        self.add(e.BrokerStopped, how=how)
        for link in links or ("worker",):
            if link in self._connections:
                self.lose(link, by="broker")
        self.add(e.BrokerStarted, how=how)
        return self

    # --- faults ---

    def plan(self, *faults: Fault) -> Run:
        """Arm faults."""
        for fault in faults:
            self.faults.append(fault)
            self.add(e.FaultArmed, fault=len(self.faults) - 1, description=str(fault))
        return self

    def fire(self, number: int = 0, target: str = "worker", *, at: int | None = None, **fields: Any) -> Run:
        """Let a fault strike, `at` the event of that message."""
        self.add(
            e.FaultFired,
            fault=number,
            description=str(self.faults[number]),
            target=target,
            message=None if at is None else name(at),
            **fields,
        )
        return self

    # --- the end ---

    def bind(self, exchange: str, kind: str, *bindings: tuple[str, str]) -> Run:
        """Declare an exchange and its bindings: pairs of routing key and queue."""
        self.exchanges[exchange] = kind
        for key, destination in bindings:
            self.bindings.append(
                Binding(exchange=exchange, destination=destination, kind="queue", routing_key=key)
            )
        return self

    def census(self, *queues: QueueState, times: int = 1) -> Run:
        """Count; without queues `orders` is empty."""
        for _ in range(times):
            topology = Topology(exchanges=dict(self.exchanges), bindings=tuple(self.bindings))
            self.add(e.CensusTaken, topology=topology, queues=queues or (queue("orders"),))
        return self

    def rest(self, number: int, queue_name: str, **fields: Any) -> Run:
        """Read a message from a terminal queue."""
        known: dict[str, Any] = {"digest": self.messages[name(number)].digest}
        self.add(e.Rested, message=name(number), queue=queue_name, **(known | fields))
        return self

    def settled(self, *queues: QueueState) -> Run:
        """End the run settled: two censuses that agree, and the end."""
        self.census(*queues, times=2)
        self.add(e.SettleEnded, settled=True)
        return self

    def unsettled(self, *queues: QueueState, reason: str = "no progress for 30 s") -> Run:
        """End the run unsettled: two censuses that agree, and the end."""
        self.census(*queues, times=2)
        self.wait(30 * SECOND)
        self.add(e.SettleEnded, settled=False, reason=reason)
        self.settings["settled"] = False
        return self

    def ledger(self) -> Ledger:
        """Return the ledger of the events so far."""
        return Ledger.of(self.events, self.messages)

    def case(self, promise: str | Guarantee = "at-least-once", **fields: Any) -> Case:
        """Return the run as a case."""
        known: dict[str, Any] = {
            "events": tuple(self.events),
            "messages": self.messages,
            "ledger": self.ledger(),
            "faults": tuple(self.faults),
            "guarantee": guarantee(promise),
            "consumers": (ConsumerFacts(name="worker", alive=True),),
        }
        return Case(**(known | self.settings | fields))


def judged(
    run: Run, promise: str | Guarantee = "at-least-once", **fields: Any
) -> tuple[list[Finding], list[Hazard]]:
    """Return the findings and hazards of a run."""
    return judge(run.case(promise, **fields))


def findings(run: Run, promise: str | Guarantee = "at-least-once", **fields: Any) -> list[Finding]:
    """Return the findings of a run."""
    return judged(run, promise, **fields)[0]


def found(run: Run, promise: str | Guarantee = "at-least-once", **fields: Any) -> dict[str, list[int]]:
    """Return what was found: names of findings (`?` where unknown, in parentheses if no violation) to numbers."""
    said: dict[str, list[int]] = {}
    for one in findings(run, promise, **fields):
        label = one.name + ("?" if one.unknown else "")
        said.setdefault(label if one.violation or one.kind == "vacuous" else f"({label})", []).extend(
            numbers(one.messages)
        )
    return said


def only(run: Run, kind: str, promise: str | Guarantee = "at-least-once", **fields: Any) -> Finding:
    """Return the one finding of a kind."""
    matching = [one for one in findings(run, promise, **fields) if one.kind == kind]
    assert len(matching) == 1, f"{len(matching)} findings of kind {kind}: {matching}"
    return matching[0]


def numbers(messages: Iterable[str]) -> list[int]:
    """Return the numbers of ids."""
    return [int(each.rsplit("-", 1)[1]) for each in messages]
