"""The ledger: one reducer over the events of a run, and what settling, the census and the checks read from it.

Each event is applied once and costs constant time, so that it can be kept up while the run goes on (as a
subscriber of the history, under its lock) and rebuilt from the events afterwards, with the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.connections import Connections, Subscription
from pytest_mqchaos.model.copies import Delivery, Record
from pytest_mqchaos.model.counting import Counting
from pytest_mqchaos.model.messages import Message
from pytest_mqchaos.model.publications import Publications
from pytest_mqchaos.model.roles import Roles
from pytest_mqchaos.model.surroundings import Surroundings
from pytest_mqchaos.model.table import Table
from pytest_mqchaos.model.topology import QueueState, Topology

__all__ = ["End", "Ledger"]


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The broker's state at the end of the last settle, before consumers were ended.

    What they hand back when they are ended is not `ready`, and what they acknowledge then was open.
    """

    index: int
    at: int
    open: tuple[Delivery, ...]
    subscriptions: tuple[Subscription, ...]
    links: Mapping[int, str]
    census: e.CensusTaken | None
    settled: bool
    reason: str
    progress_index: int
    progress_at: int


class Ledger:
    """The state of one run.

    Args:
        messages: the workload by id; it may grow.
    """

    def __init__(self, messages: Mapping[str, Message]) -> None:
        self.count = 0
        """Events applied so far; the next one has this number."""
        self.at = 0
        self._table = Table(messages)
        self._connections = Connections(self._table)
        self._publications = Publications(self._table)
        self._counting = Counting(self._table, self._connections)
        self.surroundings = Surroundings()
        self.strangers: list[tuple[int, str]] = []
        """Deliveries and effects of ids that this run does not know: number of the event, id."""
        self._end: End | None = None
        self._handlers = self._routes()

    @classmethod
    def of(cls, events: Iterable[e.Event], messages: Mapping[str, Message]) -> Ledger:
        """Return the ledger of a history."""
        ledger = cls(messages)
        for event in events:
            ledger.apply(event)
        return ledger

    def apply(self, event: e.Event) -> None:
        """Take one event in."""
        index = self.count
        self.count += 1
        self.at = event.at
        message = getattr(event, "message", None)
        if message is not None and (record := self._table.record(message)) is not None:
            record.events.append(index)
        for handler in self._handlers.get(type(event), ()):
            handler(event, index)

    def _routes(self) -> dict[type[e.Event], tuple[Callable[[Any, int], None], ...]]:
        published, wire, around = self._publications, self._connections, self.surroundings
        return {
            e.Published: (published.on_published,),
            e.Confirmed: (published.on_confirmed,),
            e.PublishNacked: (published.on_nacked,),
            e.Returned: (published.on_returned,),
            e.PublishFailed: (published.on_failed,),
            e.Republished: (published.on_republished,),
            e.Delivered: (self._on_delivered,),
            e.Acked: (wire.on_settled,),
            e.Nacked: (wire.on_settled,),
            e.Rejected: (wire.on_settled,),
            e.UnknownSettlement: (around.on_unknown_settlement,),
            e.Processed: (wire.on_processed,),
            e.Committed: (wire.on_committed,),
            e.RolledBack: (wire.on_rolled_back,),
            e.Recovered: (wire.on_recovered,),
            e.Subscribed: (wire.on_subscribed, around.on_subscribed),
            e.Unsubscribed: (wire.on_unsubscribed,),
            e.ConsumerCancelled: (wire.on_cancelled,),
            e.Polled: (wire.on_polled,),
            e.QueueDeclared: (around.on_queue_declared,),
            e.QueueDeleted: (around.on_queue_deleted,),
            e.QueuePurged: (around.on_queue_purged,),
            e.ChannelOpened: (wire.on_channel_opened,),
            e.ChannelClosed: (wire.on_channel_closed,),
            e.LinkOpened: (wire.on_link_opened, around.on_link_opened),
            e.LinkLost: (wire.on_link_lost, published.on_link_lost, around.on_link_lost),
            e.ConsumerStarted: (wire.on_started, around.on_started),
            e.ConsumerEnded: (wire.on_ended, around.on_ended),
            e.ConsumerFrozen: (around.on_frozen,),
            e.ConsumerThawed: (around.on_thawed,),
            e.Effected: (self._on_effected,),
            e.CensusTaken: (self._counting.on_census,),
            e.Rested: (self._on_rested,),
            e.BrokerStopped: (self._on_broker_stopped, around.on_broker_stopped),
            e.BrokerStarted: (around.on_broker_started,),
            e.FaultArmed: (around.on_fault_armed,),
            e.FaultFired: (self._on_fault_fired,),
            e.SettleEnded: (self._on_settle_ended,),
        }

    # --- what concerns more than one part ---

    def _on_delivered(self, event: e.Delivered, index: int) -> None:
        if event.message is not None and self._table.record(event.message) is None:
            self.strangers.append((index, event.message))
        self._connections.on_delivered(event, index)

    def _on_effected(self, event: e.Effected, index: int) -> None:
        record = self._table.record(event.message)
        if record is None:
            self.strangers.append((index, event.message or event.name))
            return
        if record.effect_index is None:
            record.effect_index, record.effect_at = index, event.at
        if record.effects < record.message.expect:
            self._table.advance(index, event.at)
        record.effects += event.count
        by = event.consumer or ""
        record.effects_by[by] = record.effects_by.get(by, 0) + event.count
        record.effects_from[event.source] = record.effects_from.get(event.source, 0) + event.count
        self._table.touch(record)

    def _on_rested(self, event: e.Rested, index: int) -> None:
        self._counting.on_rested(event)
        self._table.rested(event)

    def _on_broker_stopped(self, event: e.BrokerStopped, index: int) -> None:
        self._table.last_stop = index

    def _on_fault_fired(self, event: e.FaultFired, index: int) -> None:
        self.surroundings.on_fault_fired(
            event,
            index,
            moving=self._publications.outstanding + len(self._table.waiting),
            unworked=len(self._table.unworked),
            traffic=self.traffic,
        )

    def _on_settle_ended(self, event: e.SettleEnded, index: int) -> None:
        if not event.final or self._end is None:
            self._end = self._state(index, event.at, event.settled, event.reason)

    def _state(self, index: int, at: int, settled: bool, reason: str) -> End:
        return End(
            index=index,
            at=at,
            open=tuple(self._connections.open()),
            subscriptions=tuple(self._connections.subscriptions()),
            links=dict(self._connections.links),
            census=self._counting.last,
            settled=settled,
            reason=reason,
            progress_index=self._table.progress_index,
            progress_at=self._table.progress_at,
        )

    # --- what settling asks ---

    @property
    def progress(self) -> int:
        """Grows with a first delivery, an effect, a copy that becomes terminal, a census that holds fewer.

        Never with redeliveries; a message that circles for ever counts a few times only.
        """
        return self._table.progress

    @property
    def traffic(self) -> int:
        """Grows with each publication and each delivery of the workload."""
        return self._publications.count + self._connections.deliveries

    def outstanding_publishes(self) -> int:
        """Publications whose confirm may still come."""
        return self._publications.outstanding

    def open_deliveries(self) -> list[Delivery]:
        """Deliveries of the workload that are not settled, on channels that are open."""
        return list(self._connections.open())

    def unprocessed(self) -> int:
        """Settlements that were passed on and are not known to be processed."""
        return self._connections.settling

    def not_terminal(self) -> int:
        """How many confirmed messages have a copy that is not terminal, or none that was seen."""
        return len(self._table.waiting)

    def looks_settled(self) -> bool:
        """Whether the wire's own table shows nothing on its way: the moment to ask for a census.

        What may have been settled before its link was lost only a census can tell: so ask also now and then.
        """
        if self._publications.outstanding or self._connections.in_hand:
            return False
        return all(
            record.copies and all(copy.state == "settling" or not self._comes(copy) for copy in record.copies)
            for record in map(self._table.records.__getitem__, self._table.waiting)
        )

    @staticmethod
    def _comes(copy: Any) -> bool:
        """Whether a copy is surely still to be delivered."""
        return copy.state == "ready" and not copy.settlement

    def missing_effects(self) -> list[str]:
        """Ids of messages whose effect may still come: good, acknowledged, terminal in all their copies."""
        return list(self._table.unworked)

    def holders(self, message: str) -> frozenset[str]:
        """Links whose present process had this message in its hands."""
        record = self._table.records.get(message)
        if record is None:
            return frozenset()
        current = self._connections.incarnations
        return frozenset(
            one.link for one in record.deliveries
            if one.incarnation == current.get(one.link, 0) and not self.surroundings.ended(one.link)
        )  # fmt: skip

    def absent(self) -> frozenset[str]:
        """Links that lost a connection with deliveries in hand, did not come back, and were not ended."""
        return frozenset(self._connections.absent)

    def subscriptions(self) -> dict[str, list[Subscription]]:
        """Open subscriptions by queue."""
        found: dict[str, list[Subscription]] = {}
        for one in self._connections.subscriptions():
            found.setdefault(one.queue, []).append(one)
        return found

    def open_links(self) -> dict[int, str]:
        """Open connections by number, and whose they are."""
        return dict(self._connections.links)

    def queues(self) -> tuple[QueueState, ...]:
        """The queues of the last census."""
        return () if self._counting.last is None else self._counting.last.queues

    @property
    def queues_read(self) -> Mapping[str, Collection[str]]:
        """Queues that were subscribed or polled in this run, and by which links."""
        return self._connections.queues_read

    def roles(self, *, dead_letters: Iterable[str] = (), expected: Iterable[str] = (),
              census: e.CensusTaken | None = None) -> Roles:  # fmt: skip
        """What each queue of the last census (or of `census`) is for."""
        census = census or self._counting.last or e.CensusTaken(at=0, topology=Topology(), queues=())
        return Roles(
            census.topology,
            {state.name: state for state in census.queues},
            read=self._connections.queues_read,
            published=self._publications.routes,
            onward=self._publications.onward,
            expirations=self._publications.expirations,
            expected=expected,
            dead_letters=dead_letters,
        )

    def terminal_queues(
        self, dead_letters: Iterable[str] = (), expected: Iterable[str] = ()
    ) -> frozenset[str]:
        """Queues of the last census where messages may rest."""
        return self.roles(dead_letters=dead_letters, expected=expected).terminal

    def waiting_messages(self) -> int:
        """Messages in waiting rooms that leave them by themselves."""
        roles = self.roles()
        return sum(
            roles.queues[name].ready for name in roles.waiting_rooms if roles.wait_in(name) is not None
        )

    def longest_wait(self) -> float:
        """The longest time in seconds that a message may sit in a waiting room which is not empty."""
        roles = self.roles()
        waits = (roles.wait_in(name) or 0.0 for name in roles.waiting_rooms if roles.queues[name].messages)
        return max(waits, default=0.0)

    def settled(self, dead_letters: Iterable[str] = (), expected: Iterable[str] = ()) -> tuple[bool, str]:
        """Conservation of messages: whether nothing is on its way by the wire and the last census, else what is."""
        return self._counting.settled(
            self._publications.outstanding, self.roles(dead_letters=dead_letters, expected=expected)
        )

    # --- what checks ask ---

    @property
    def records(self) -> Mapping[str, Record]:
        """All that is known of each message that was seen, by id."""
        return self._table.records

    @property
    def last_stop(self) -> int:
        """The number of the last event that stopped the broker, -1 if none did."""
        return self._table.last_stop

    @property
    def auto_acks(self) -> int:
        """Deliveries of the workload with automatic ack."""
        return self._connections.auto_acks

    def rested_in(self, queue: str) -> int:
        """How many messages, of anyone, were read from a terminal queue."""
        return self._counting.rested.get(queue, 0)

    @property
    def censuses(self) -> list[e.CensusTaken]:
        """Every census, in order."""
        return self._counting.all

    @property
    def end(self) -> End:
        """The state that is judged: that of the last settle, or the present one before any."""
        if self._end is not None:
            return self._end
        return self._state(self.count, self.at, True, "")
