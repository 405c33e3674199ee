"""The ledger of a run: what settling, the census and the checks read from its events.

It can be kept up while the run goes on (as a subscriber of the history, under its lock) and rebuilt from the events
afterwards, with the same result.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.channels import Subscription
from pytest_mqchaos.model.copies import Copy, Delivery, Record
from pytest_mqchaos.model.messages import Message
from pytest_mqchaos.model.reducer import End, Reducer
from pytest_mqchaos.model.roles import Leads, Roles
from pytest_mqchaos.model.sourcing import Sourcing
from pytest_mqchaos.model.surroundings import Surroundings
from pytest_mqchaos.model.topology import QueueState

__all__ = ["End", "Ledger"]


class Ledger:
    """The state of one run.

    Args:
        messages: the workload by id; it may grow.
    """

    def __init__(self, messages: Mapping[str, Message]) -> None:
        self._reducer = Reducer(messages)
        self._table = self._reducer.table
        self._connections = self._reducer.connections
        self._publications = self._reducer.publications
        self._counting = self._reducer.counting

    @classmethod
    def of(cls, events: Iterable[e.Event], messages: Mapping[str, Message]) -> Ledger:
        """Return the ledger of a history."""
        ledger = cls(messages)
        for event in events:
            ledger.apply(event)
        return ledger

    def apply(self, event: e.Event) -> None:
        """Take one event in."""
        self._reducer.apply(event)

    # --- what settling asks ---

    @property
    def progress(self) -> int:
        """Grows with a first delivery, an effect, a copy that is settled, a census that holds fewer.

        Never with redeliveries; a message that circles for ever counts a few times only.
        """
        return self._table.progress

    @property
    def traffic(self) -> int:
        """Grows with each publication and each delivery of the workload."""
        return self._reducer.traffic

    def open_deliveries(self) -> list[Delivery]:
        """Deliveries of the workload that are not settled, on channels that are open."""
        return list(self._connections.open())

    @property
    def in_hand(self) -> int:
        """How many deliveries of the workload are not settled, on channels that are open."""
        return self._connections.in_hand

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
    def _comes(copy: Copy) -> bool:
        """Whether a copy is surely still to be delivered."""
        return copy.state == "ready" and copy.settlement not in ("acked", "dropped")

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
            if one.incarnation == current.get(one.link, 0) and not self._reducer.surroundings.ended(one.link)
        )  # fmt: skip

    def absent(self) -> frozenset[str]:
        """Links whose consumers may still be at work for what the broker has taken back from them."""
        return self._connections.absence.links

    def subscriptions(self) -> dict[str, list[Subscription]]:
        """Open subscriptions by queue."""
        found: dict[str, list[Subscription]] = {}
        for one in self._connections.subscriptions():
            found.setdefault(one.queue, []).append(one)
        return found

    def open_channels(self) -> dict[tuple[int, int], str]:
        """Open channels by connection and number, and whose they are, but for the publisher's."""
        return self._connections.open_channels()

    def routes(self) -> frozenset[tuple[str, str]]:
        """Exchanges and routing keys that messages were published to, by the workload or the application."""
        return frozenset(self._publications.routes | self._publications.onward)

    def queues_seen(self) -> frozenset[str]:
        """Queues that messages of ours were published to by name, handed on to, or delivered from."""
        by_name = frozenset(key for exchange, key in self.routes() if not exchange)
        return by_name | frozenset(self._table.standing)

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
        census = census or self._counting.last
        leads = self._counting.leads
        if census is not None and census.topology != leads.topology:
            leads = Leads(census.topology)
        return Roles(
            leads,
            {state.name: state for state in (() if census is None else census.queues)},
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

    def waiting_messages(self, dead_letters: Iterable[str] = (), expected: Iterable[str] = ()) -> int:
        """Messages in waiting rooms that leave them by themselves."""
        roles = self.roles(dead_letters=dead_letters, expected=expected)
        return sum(
            roles.queues[name].ready for name in roles.waiting_rooms if roles.wait_in(name) is not None
        )

    def longest_wait(self, dead_letters: Iterable[str] = (), expected: Iterable[str] = ()) -> float:
        """The longest time in seconds that a message may sit in a waiting room which is not empty."""
        roles = self.roles(dead_letters=dead_letters, expected=expected)
        waits = (roles.wait_in(name) or 0.0 for name in roles.waiting_rooms if roles.queues[name].messages)
        return max(waits, default=0.0)

    def settled(self, dead_letters: Iterable[str] = (), expected: Iterable[str] = ()) -> tuple[bool, str]:
        """Conservation of messages: whether nothing is on its way by the wire and the last census, else what is."""
        return self._counting.settled(
            self._publications.outstanding, self.roles(dead_letters=dead_letters, expected=expected)
        )

    # --- what checks ask ---

    @property
    def surroundings(self) -> Surroundings:
        """What happened around the messages: processes, links, the broker, the faults."""
        return self._reducer.surroundings

    @property
    def sourcing(self) -> Sourcing:
        """The sources of effects, and whom each concerns."""
        return self._reducer.sourcing

    @property
    def strangers(self) -> list[tuple[int, str]]:
        """Deliveries and effects of ids that this run does not know: number of the event, id."""
        return self._reducer.strangers

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
        """How many messages, of anyone, were read from a terminal queue since the last census."""
        return self._counting.rested.get(queue, 0)

    @property
    def censuses(self) -> list[e.CensusTaken]:
        """Every census, in order."""
        return self._counting.all

    @property
    def end(self) -> End:
        """The state that is judged: that of the last settle, or the present one before any."""
        if self._reducer.end is not None:
            return self._reducer.end
        return self._reducer.state(self._reducer.count, self._reducer.at, True, "")
