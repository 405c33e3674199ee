"""What each queue is for in a run: read, waiting room, terminal; and where dead letters lead.

```
 orders (read) ──dead letter──► orders.wait (waiting room: TTL) ──dead letter──► orders
       └──────────dead letter──► orders.dead (terminal)
```
A queue that the workload publishes to, or that a consumer said it reads, is never terminal, though nobody reads
it: a typo in a queue's name is the commonest bug. It may be a waiting room, if a time to live sends its messages on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from pytest_mqchaos.model.topology import QueueState, Topology

__all__ = ["Leads", "Roles"]

Route = tuple[str, str]
"""An exchange and a routing key."""


class Leads:
    """Where publications land by one topology, remembered: a workload may use a key of its own for each message."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self._found: dict[Route, frozenset[str]] = {}

    def to(self, exchange: str, routing_key: str) -> frozenset[str]:
        """Queues that a publication may land in. The default exchange knows every queue by its name."""
        if exchange == "":
            return frozenset((routing_key,))
        found = self._found.get((exchange, routing_key))
        if found is None:
            found = self._found[exchange, routing_key] = self.topology.leads_to(exchange, routing_key)
        return found


class Roles:
    """The roles of the queues of one census.

    Args:
        leads: where publications land.
        queues: the queues of the census by name.
        read: queues that were subscribed or polled in this run.
        published: where the workload was published to.
        onward: where the application published messages of the workload to.
        expirations: the longest expiration of what was published, by route, in seconds.
        expected: queues that consumers were said to read.
        dead_letters: queues that the test named as dead-letter queues.
    """

    def __init__(
        self,
        leads: Leads,
        queues: Mapping[str, QueueState],
        *,
        read: Iterable[str] = (),
        published: Iterable[Route] = (),
        onward: Iterable[Route] = (),
        expirations: Mapping[Route, float] | None = None,
        expected: Iterable[str] = (),
        dead_letters: Iterable[str] = (),
    ) -> None:
        self.topology = leads.topology
        self.leads_to = leads.to
        self.queues = queues
        self.read = frozenset(read)
        self.expected = frozenset(expected)
        self.dead_letters = frozenset(dead_letters)
        self._published = frozenset(published)
        self._onward = frozenset(onward)
        self._expirations = expirations or {}
        self._targets: dict[str, frozenset[str]] = {}
        self._reach: dict[str, frozenset[str]] = {}

    @cached_property
    def workload(self) -> frozenset[str]:
        """Queues that the workload was published to."""
        return frozenset(queue for route in self._published for queue in self.leads_to(*route))

    @cached_property
    def work(self) -> frozenset[str]:
        """Queues that are to be empty in the end: read, published to, or expected to be read."""
        return self.read | self.workload | self.expected

    @cached_property
    def waiting_rooms(self) -> frozenset[str]:
        """Queues that nobody reads and whose messages go back to one that somebody reads."""
        read = self.read | self.expected
        return frozenset(
            name for name in self.queues if name not in read and self._leads_back(name) and self._ends(name)
        )

    def _leads_back(self, name: str) -> bool:
        return bool(self.reach(name) & (self.read | self.expected))

    def _ends(self, name: str) -> bool:
        """Whether waiting ends there.

        A dead-letter queue that the test named, or a queue that it publishes to, keeps what nothing drives out.
        """
        keeps = name in self.dead_letters or name in self.workload
        return not keeps or self.wait_in(name) is not None

    @cached_property
    def terminal(self) -> frozenset[str]:
        """Queues where messages may rest."""
        return frozenset(self.queues) - self.work - self.waiting_rooms

    @cached_property
    def dead_letter_queues(self) -> frozenset[str]:
        """Terminal queues that hold dead letters: those named, and those a dead-letter path leads to."""
        reached = {target for name in self.work for target in self.reach(name)}
        return (self.dead_letters | reached) & self.terminal

    def wait_in(self, name: str) -> float | None:
        """Seconds after which messages leave a queue by themselves, None if they do not."""
        state = self.queues.get(name)
        if state is not None and state.message_ttl is not None:
            return state.message_ttl  # of two times to live the shorter one holds
        waits = [seconds for route, seconds in self._expirations.items() if name in self.leads_to(*route)]
        return max(waits, default=None)

    def targets(self, name: str) -> frozenset[str]:
        """Queues that dead letters of a queue go to directly."""
        found = self._targets.get(name)
        if found is None:
            state = self.queues.get(name)
            found = frozenset()
            if state is not None and state.dead_letter_exchange is not None:
                exchange = state.dead_letter_exchange
                keys = (
                    self._keys(name)
                    if state.dead_letter_routing_key is None
                    else {state.dead_letter_routing_key}
                )
                found = frozenset(queue for key in keys for queue in self.leads_to(exchange, key))
                found &= frozenset(self.queues)
            self._targets[name] = found
        return found

    def reach(self, name: str) -> frozenset[str]:
        """Queues that dead letters of a queue may come to, over any number of passages."""
        found = self._reach.get(name)
        if found is None:
            seen: set[str] = set()
            waiting = [name]
            while waiting:
                for target in self.targets(waiting.pop()):
                    if target not in seen:
                        seen.add(target)
                        waiting.append(target)
            found = self._reach[name] = frozenset(seen)
        return found

    def dead_letter_targets(self, name: str) -> frozenset[str]:
        """Terminal queues that dead letters of a queue may come to."""
        return self.reach(name) & self.terminal

    @cached_property
    def _routes_by_queue(self) -> dict[str, set[str]]:
        """Routing keys with which messages of ours may have come to a queue."""
        keys: dict[str, set[str]] = {}
        for exchange, key in self._published | self._onward:
            for queue in self.leads_to(exchange, key):
                keys.setdefault(queue, set()).add(key)
        for binding in self.topology.bindings:
            if binding.kind == "queue":
                keys.setdefault(binding.destination, set()).add(binding.routing_key)
        return keys

    def _keys(self, name: str) -> set[str]:
        """Keys that a dead letter of this queue may carry where the queue sets none: it keeps its own.

        It may have come as a dead letter itself, so the workload's keys count everywhere.
        """
        return {name} | self._routes_by_queue.get(name, set()) | {key for _, key in self._published}
