"""Reckoning: what an exact count of a queue proves about copies that the wire cannot place.

An ack that was passed on before its link was lost may have been processed or eaten: its copy is gone, or still the
broker's. Where a run ends with messages in a queue, their number tells which:

```
 held ──► surely there (confirmed or given back, nothing took it) │ doubtful (settled on a lost link) │ may be there
          as many as that are held: all doubtful ones are gone      as many as all together: all are there
```
In between, the settlements of one channel were processed in the order they were sent: of `k` doubtful ones at most
that can be there, only the last `k` of each channel are in doubt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pytest_mqchaos.model.copies import Copy, Publication, Record
from pytest_mqchaos.model.counting import Counting
from pytest_mqchaos.model.publications import Publications
from pytest_mqchaos.model.roles import Roles
from pytest_mqchaos.model.surroundings import Surroundings
from pytest_mqchaos.model.table import Table
from pytest_mqchaos.model.topology import QueueState

__all__ = ["Reckoned", "Reckoning"]

_ROUTED = frozenset({"direct", "fanout", "topic"})
"""Types of exchanges of which a topology tells exactly where they lead."""


@dataclass(frozen=True, slots=True)
class Reckoned:
    """What the count of one queue proves in the end."""

    certain: tuple[str, ...] = ()
    """Ids of messages that are surely ready there."""
    short: int = 0
    """How many fewer it holds than must be there: so many were lost, and nobody can say which."""


@dataclass(slots=True)
class _Pool:
    """Who may be in one queue, apart from what is in hand."""

    state: QueueState
    sure: list[str] = field(default_factory=list)
    firm: int = 0
    """How many of the sure were seen there, or sent straight there: a binding may have come after a publication."""
    doubtful: dict[tuple[int | None, ...], list[Copy]] = field(default_factory=dict)
    """By the channel that settled them (its number may be used again).

    Alone where they may have vanished besides, for then no order holds.
    """
    perhaps: list[str] = field(default_factory=list)
    others: bool = False
    """Whether there may be messages that nobody can count: foreign ones, dead letters, forgotten acks."""

    def add(self, name: str, *, sure: bool, firm: bool = True) -> None:
        (self.sure if sure else self.perhaps).append(name)
        self.firm += sure and firm

    def in_doubt(self) -> Iterator[Copy]:
        for copies in self.doubtful.values():
            yield from copies


class Reckoning:
    """Reckons with the last census, once, when a settle has ended with messages left."""

    def __init__(
        self, table: Table, counting: Counting, publications: Publications, surroundings: Surroundings
    ) -> None:
        self._table = table
        self._counting = counting
        self._publications = publications
        self._surroundings = surroundings
        self._emptied: dict[str, int] = {}
        """The number of the event that emptied a queue last."""
        self._careless: frozenset[str] = frozenset()
        """Queues that were read with automatic ack: what was on its way to a lost link is gone, unseen."""

    def reckon(self, index: int, at: int) -> dict[str, Reckoned]:
        """Settle what is surely gone, take back settlements that were surely eaten, and say what is surely there."""
        if len(self._counting.all) < 2:
            return {}
        since = self._counting.all[-2].at
        pools = {state.name: _Pool(state) for state in self._counting.all[-1].queues if state.exact}
        if not any(pool.state.messages for pool in pools.values()):
            return {}
        self._look_around(pools)
        for record in self._table.records.values():
            self._place_copies(record, pools, since)
            self._place_unseen(record, pools, since)
        return {name: self._reckon(pool, since, index, at) for name, pool in pools.items()}

    def _look_around(self, pools: Mapping[str, _Pool]) -> None:
        """Note what takes messages away, and which queues may hold more than anybody can count."""
        around = self._surroundings
        purged = {one.queue: when for when, one in around.purged}
        deleted = {one.queue: when for when, one in around.deleted}
        self._emptied = {
            queue: max(purged.get(queue, -1), deleted.get(queue, -1))
            for queue in purged.keys() | deleted.keys()
        }
        self._careless = frozenset(one.queue for _, one in around.subscribed if one.auto_ack)
        forgetful = any(one.event.how in ("crash", "itself") for one in around.outages)
        sent = self._publications
        states = {name: pool.state for name, pool in pools.items()}
        roles = Roles(self._counting.leads, states, published=sent.routes, onward=sent.onward)
        targets = frozenset(target for name in pools for target in roles.targets(name))
        for name, pool in pools.items():
            pool.others = forgetful or name in targets or self._table.at(name).strangers > 0

    def _reckon(self, pool: _Pool, since: int, index: int, at: int) -> Reckoned:
        state, standing = pool.state, self._table.at(pool.state.name)
        if max(standing.changed, standing.foreign_changed) > since or standing.settling:
            return Reckoned()  # the count may be older than what the wire saw last
        elsewhere = max(0, state.unacknowledged - len(standing.in_hand) - standing.foreign)
        held = state.ready + state.transit + elsewhere
        room = held - len(pool.sure)
        if room < 0:
            return Reckoned(short=max(0, pool.firm - held))
        self._strike_off(pool, room, index, at)
        certain = [*pool.sure, *self._take_back(pool, room)]
        # What is in transit, or in a hand that nobody saw, may be any of them.
        return Reckoned(certain=tuple(certain) if held == state.ready else ())

    def _strike_off(self, pool: _Pool, room: int, index: int, at: int) -> None:
        """Settle what can no longer be there: all but the last few of each channel."""
        for copies in pool.doubtful.values():
            copies.sort(key=_settled)
            gone = copies[: max(0, len(copies) - room)]
            for copy in gone:
                self._table.take(copy)
                self._table.move(copy, "settled", index, at)
            del copies[: len(gone)]

    def _take_back(self, pool: _Pool, room: int) -> Iterator[str]:
        """Yield whose settlements were surely eaten, and who else is surely there."""
        count = sum(1 for _ in pool.in_doubt())
        if pool.others or room > count + len(pool.perhaps):
            return  # more than everybody known: then others are among them
        for copies in pool.doubtful.values():
            there = room - len(pool.perhaps) - (count - len(copies))
            for copy in copies[len(copies) - there :] if there > 0 else ():
                if copy.last is not None:
                    copy.last.settled_passed = False
                yield copy.record.id
        if room == count + len(pool.perhaps):
            yield from pool.perhaps

    # --- who may be where ---

    def _place_copies(self, record: Record, pools: Mapping[str, _Pool], since: int) -> None:
        for copy in record.copies:
            pool, last = pools.get(copy.queue), copy.last
            if pool is None or last is None:
                continue
            if copy.state == "ready":
                stays = self._stays(record, pool.state, last.index) and not _at_limit(copy, pool.state)
                if copy.doubtful:
                    group = (last.connection, last.channel, last.returned_index) if stays else (last.index,)
                    pool.doubtful.setdefault(group, []).append(copy)
                else:
                    pool.add(record.id, sure=stays and copy.since <= since and not _one_of_many(copy))
            elif pool.state.transit and copy.settlement == "dropped" and copy.state == "settled":
                pool.add(record.id, sure=False)

    def _place_unseen(self, record: Record, pools: Mapping[str, _Pool], since: int) -> None:
        """Place what was published and not delivered from there."""
        if record.gone or record.straight:
            return
        sent = [one for one in (*record.publications, *record.republications) if one.passed]
        ways: dict[str, list[Publication]] = {}
        for one in sent:
            for queue in self._counting.leads.to(one.exchange, one.routing_key) & pools.keys():
                ways.setdefault(queue, []).append(one)
        if not ways:
            return
        seen = Counter(copy.queue for copy in record.copies)
        for queue, ones in ways.items():
            pool, first = pools[queue], ones[0]
            arrived = len(sent) == 1 and record.ok and (record.confirmed_at or 0) <= since
            stays = self._stays(record, pool.state, record.confirmed_index or 0)
            straight = not first.exchange
            sure = arrived and stays and (straight or self._routed(first.exchange))
            for _ in range(len(ones) - seen[queue]):
                pool.add(record.id, sure=sure, firm=straight)

    def _routed(self, exchange: str) -> bool:
        """Whether the topology tells exactly which queues an exchange leads to."""
        topology = self._counting.leads.topology
        return topology.exchanges.get(exchange) in _ROUTED and not any(
            one.exchange == exchange and one.kind != "queue" for one in topology.bindings
        )

    def _stays(self, record: Record, state: QueueState, index: int) -> bool:
        """Whether nothing but a delivery takes a message out of a queue that it was in at an event."""
        if (
            not state.settings_known  # a policy that nobody could ask for may do so
            or state.message_ttl is not None
            or state.max_length is not None
            or state.max_length_bytes is not None
        ):
            return False
        if any(one.expiration is not None for one in (*record.publications, *record.republications)):
            return False
        if state.name in self._careless:
            return False
        if self._emptied.get(state.name, -1) >= index:
            return False
        for outage in self._surroundings.outages:
            if outage.after(index) and outage.event.how != "freeze":
                lasts = state.durable and not state.exclusive and not state.auto_delete
                kept = record.message.persistent or state.type == "quorum"
                if outage.event.how != "restart" or not lasts or not kept:
                    return False
        return True


def _settled(copy: Copy) -> int:
    """The number of the event that settled a copy last."""
    return (copy.last and copy.last.settled_index) or 0


def _one_of_many(copy: Copy) -> bool:
    """Whether it may be the same as another one: which of several alike was delivered nobody can say."""
    alike = copy.record.slots[copy.queue, copy.deaths].copies
    return sum(one.state in ("ready", "in_hand", "settling") for one in alike) > 1


def _at_limit(copy: Copy, state: QueueState) -> bool:
    """Whether its queue may have given it up for having come back too often."""
    returns = sum(bool(one.returned) for one in copy.deliveries)
    return state.delivery_limit is not None and returns >= state.delivery_limit
