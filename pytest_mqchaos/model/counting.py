"""The census against the table: what the broker holds no more is settled, or gone."""

from __future__ import annotations

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.connections import Connections
from pytest_mqchaos.model.roles import Leads, Roles
from pytest_mqchaos.model.table import Standing, Table
from pytest_mqchaos.model.topology import QueueState, Topology

__all__ = ["Counting"]


class Counting:
    """The part of the ledger that takes censuses in.

    A census was asked after the event before it: what changed later it may not have seen. So only what stood
    still since the census before is judged by it.
    """

    def __init__(self, table: Table, connections: Connections) -> None:
        self._table = table
        self._connections = connections
        self.all: list[e.CensusTaken] = []
        self.rested: dict[str, int] = {}
        """Messages read from terminal queues since the last census."""
        self.leads = Leads(Topology())
        """Where publications land by the last census."""
        self._fewest = -1
        self._traffic = -1

    @property
    def last(self) -> e.CensusTaken | None:
        """The last census."""
        return self.all[-1] if self.all else None

    def on_census(self, event: e.CensusTaken, index: int) -> None:
        """Count what is gone, and whether there is less than there ever was since the last publication."""
        since = self.all[-1].at if self.all else -1
        self.rested.clear()
        self.all.append(event)
        if event.topology != self.leads.topology:
            self.leads = Leads(event.topology)
        states = {state.name: state for state in event.queues}
        for name, state in states.items():
            self._connections.queue_types[name] = state.type
        if since >= 0:
            for name, standing in self._table.standing.items():
                changed = standing.changed
                self._resolve(standing, states.get(name), since, index, event.at)
                standing.changed = changed  # nothing moved: it is only known better
            self._resolve_undelivered(event, states, since, index)
        total = sum(state.messages for state in event.queues)
        if self._traffic != self._table.confirmed:
            self._traffic, self._fewest = self._table.confirmed, total
        elif total < self._fewest:
            self._fewest = total
            self._table.advance(index, event.at)

    def on_rested(self, event: e.Rested) -> None:
        """Count a message that was read from a terminal queue."""
        self.rested[event.queue] = self.rested.get(event.queue, 0) + 1

    def _resolve(self, standing: Standing, state: QueueState | None, since: int, index: int, at: int) -> None:
        """Settle or strike off what an exact census of a queue does not hold."""
        if state is not None and state.stream:  # there is nothing that an ack takes away
            self._settle(standing, since, index, at, ready=0)
        if state is not None and not state.exact:
            return
        ready = 0 if state is None else state.ready + state.transit
        unacknowledged = 0 if state is None else state.unacknowledged
        known = len(standing.in_hand) + standing.foreign
        still = standing.changed <= since
        if unacknowledged and not (still and unacknowledged <= known):
            return
        self._settle(standing, since, index, at, ready=ready)
        if ready:
            return
        for copy in [one for one in standing.ready if one.since <= since]:
            self._table.take(copy)
            self._table.move(copy, "settled" if copy.doubtful else "gone", index, at)

    def _settle(self, standing: Standing, since: int, index: int, at: int, *, ready: int) -> None:
        """Take what was settled before the census before as processed.

        Beside what is ready that is no proof: its settlement may be eaten, what is ready be it, and we see the cut
        later.
        """
        for copy in [one for one in standing.settling if one.since <= since]:
            if (last := copy.last) is not None:
                self._connections.counted(last, index, at, sure=not ready)

    def _resolve_undelivered(
        self, event: e.CensusTaken, states: dict[str, QueueState], since: int, index: int
    ) -> None:
        for (exchange, key), ids in list(self._table.undelivered.items()):
            held = [states[name] for name in self.leads.to(exchange, key) if name in states]
            if any(state.messages or not state.exact for state in held):
                continue
            if not held and not event.topology.complete:
                continue  # it may be in a queue that is bound there, and not known to be
            for name in list(ids):
                record = self._table.records[name]
                if record.confirmed_at is not None and record.confirmed_at <= since:
                    record.gone = True
                    self._table.forget_undelivered(record)
                    self._table.advance(index, event.at)
                    self._table.touch(record)

    def settled(self, outstanding: int, roles: Roles) -> tuple[bool, str]:
        """Whether nothing is on its way, else what is, in words."""
        if outstanding:
            return False, f"{outstanding} publications wait for their confirm"
        if self.last is None:
            return False, "no census was taken yet"
        held = [words for state in self.last.queues if (words := self._held(state, roles))]
        if held:
            return False, "; ".join(held)
        if self._connections.in_hand:
            return False, f"{self._connections.in_hand} deliveries are open"
        return True, ""

    def _held(self, state: QueueState, roles: Roles) -> str:
        """What a queue holds that is on its way, in words; empty if nothing is."""
        if state.name in roles.terminal:
            return f"`{state.name}` holds {state.transit} in dead-letter transit" if state.transit else ""
        if state.stream:
            unseen = self._undelivered_in(state.name)
            return f"{unseen} messages of the stream `{state.name}` were never delivered" if unseen else ""
        foreign = self._table.at(state.name).foreign if state.name in self._table.standing else 0
        counts = {
            "ready": state.ready,
            "unacknowledged": max(0, state.unacknowledged - foreign),
            "in dead-letter transit": state.transit,
        }
        words = [f"{count} {what}" for what, count in counts.items() if count]
        if words:
            return f"`{state.name}` holds {', '.join(words)}"
        doubt = state.doubt and f": {state.doubt}"
        return "" if state.exact else f"`{state.name}` could not be counted exactly{doubt}"

    def _undelivered_in(self, queue: str) -> int:
        """How many confirmed messages that were published to a queue were never delivered."""
        return sum(
            len(ids) for route, ids in self._table.undelivered.items() if queue in self.leads.to(*route)
        )
