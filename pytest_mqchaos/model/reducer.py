"""The reducer: takes the events of a run in, one by one, and hands each to the parts that keep the state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.channels import Subscription
from pytest_mqchaos.model.connections import Connections
from pytest_mqchaos.model.copies import Delivery
from pytest_mqchaos.model.counting import Counting
from pytest_mqchaos.model.handlers import Handlers, joined
from pytest_mqchaos.model.messages import Message
from pytest_mqchaos.model.names import base_name
from pytest_mqchaos.model.publications import Publications
from pytest_mqchaos.model.reckoning import Reckoned, Reckoning
from pytest_mqchaos.model.sourcing import Sourcing
from pytest_mqchaos.model.surroundings import Surroundings
from pytest_mqchaos.model.table import Table

__all__ = ["End", "Reducer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The broker's state at the end of the last settle, before consumers were ended.

    What they hand back when they are ended is not `ready`, and what they acknowledge then was open.
    """

    index: int
    at: int
    open: tuple[Delivery, ...]
    foreign: Mapping[str, int]
    """Deliveries of messages that are not ours, in hand, by queue."""
    subscriptions: tuple[Subscription, ...]
    links: Mapping[int, str]
    census: e.CensusTaken | None
    settled: bool
    reason: str
    progress_index: int
    progress_at: int
    reckoned: Mapping[str, Reckoned] = field(default_factory=dict)
    """Of an unsettled end: what the last census proves of each queue that was counted exactly."""


class Reducer:
    """The state of one run, in parts: each event costs constant time.

    Args:
        messages: the workload by id; it may grow.
    """

    def __init__(self, messages: Mapping[str, Message]) -> None:
        self.count = 0
        """Events applied so far; the next one has this number."""
        self.at = 0
        self.table = Table(messages)
        self.connections = Connections(self.table)
        self.sourcing = self.table.sourcing = Sourcing(self.connections.queues_read)
        self.publications = Publications(self.table)
        self.counting = Counting(self.table, self.connections)
        self.surroundings = Surroundings()
        self._reckoning = Reckoning(self.table, self.counting, self.publications, self.surroundings)
        self.strangers: list[tuple[int, str]] = []
        """Deliveries and effects of ids that this run does not know: number of the event, id."""
        self.end: End | None = None
        """The state at the end of the last settle."""
        self._handlers = joined(
            self.connections.handlers,
            self.publications.handlers,
            self._own_handlers(),
            self.surroundings.handlers,
        )

    def apply(self, event: e.Event) -> None:
        """Take one event in."""
        index = self.count
        self.count += 1
        self.at = event.at
        for handler in self._handlers.get(type(event), ()):
            handler(event, index)

    @property
    def traffic(self) -> int:
        """Grows with each publication and each delivery of the workload."""
        return self.publications.count + self.connections.deliveries

    def state(self, index: int, at: int, settled: bool, reason: str) -> End:
        """Return the present state as an end."""
        return End(
            index=index,
            at=at,
            open=tuple(self.connections.open()),
            foreign={name: one.foreign for name, one in self.table.standing.items() if one.foreign},
            subscriptions=tuple(self.connections.subscriptions()),
            links=dict(self.connections.links),
            census=self.counting.last,
            settled=settled,
            reason=reason,
            progress_index=self.table.progress_index,
            progress_at=self.table.progress_at,
        )

    def _own_handlers(self) -> Handlers:
        return {
            e.Delivered: self._on_delivered,
            e.Effected: self._on_effected,
            e.SourceNamed: self._on_source_named,
            e.CensusTaken: self.counting.on_census,
            e.Rested: self._on_rested,
            e.BrokerStopped: self._on_broker_stopped,
            e.BrokerStarted: self._on_broker_stopped,
            e.FaultFired: self._on_fault_fired,
            e.SettleEnded: self._on_settle_ended,
        }

    # --- what concerns more than one part ---

    def _on_delivered(self, event: e.Delivered, index: int) -> None:
        if event.message is not None and self.table.record(event.message) is None:
            self.strangers.append((index, event.message))
        self.connections.on_delivered(event, index)

    def _on_effected(self, event: e.Effected, index: int) -> None:
        record = self.table.record(event.message)
        if record is None:
            self.strangers.append((index, event.message or event.name))
            return
        if record.effect_index is None:
            record.effect_index, record.effect_at = index, event.at
        had = record.effects_from.get(event.source, 0)
        if had < record.message.expect:
            self.table.advance(index, event.at)
        by = event.consumer or ""
        record.worked.setdefault(by, index)
        record.effects_by[by] = record.effects_by.get(by, 0) + event.count
        record.effects_from[event.source] = had + event.count
        if event.source not in self.sourcing.named:
            place = base_name(by), event.source
            record.effects_inside[place] = record.effects_inside.get(place, 0) + event.count
        if self.sourcing.showed(event, record):
            self._judge_anew()
        elif not self.sourcing.weighs(record):
            record.effects = record.most = had + event.count
        self.table.touch(record)

    def _on_source_named(self, event: e.SourceNamed, index: int) -> None:
        self.sourcing.name(event)
        if self.sourcing.several:
            self._judge_anew()

    def _judge_anew(self) -> None:
        """A source concerns other messages than before."""
        for record in self.table.records.values():
            self.table.touch(record)

    def _on_rested(self, event: e.Rested, index: int) -> None:
        self.counting.on_rested(event)
        self.table.rested(event)

    def _on_broker_stopped(self, event: e.BrokerStopped | e.BrokerStarted, index: int) -> None:
        if event.how == "freeze":
            return  # it keeps all that it has
        # A broker that stops still delivers: what was seen before it started again may come back.
        self.table.last_stop = index
        if event.how in ("crash", "itself"):
            self.table.last_crash = index

    def _on_fault_fired(self, event: e.FaultFired, index: int) -> None:
        self.surroundings.on_fault_fired(
            event,
            index,
            moving=self.publications.outstanding + len(self.table.waiting),
            unworked=len(self.table.unworked),
            traffic=self.traffic,
        )

    def _on_settle_ended(self, event: e.SettleEnded, index: int) -> None:
        if event.final and self.end is not None:
            return
        if self.sourcing.several:
            self._judge_anew()  # who reads what is known only now
        reckoned = {} if event.settled else self._reckoning.reckon(index, event.at)
        end = self.state(index, event.at, event.settled, event.reason)
        self.end = replace(end, reckoned=reckoned)
