"""Which messages wait in the working queues, copy by copy: what was never put there does not come out of it.

```
 published ──one for each working queue that it leads to──► (message, queue) ◄── requeued, link or channel lost
                                                                  │
                                       delivered from that queue ◄┘
 rejected without requeue ──► nowhere, or a waiting room ──► delivered again: it had not waited here
 more than its queue may hold, by the last census ──► the oldest is dropped, or the publisher's is refused
 a queue that holds more than anybody saw come ──► `extra`, by an exact census
```
Where an exchange leads to is known from the bindings of the last census, and else from where the message was
delivered. When a copy left a waiting room nobody sees; it counts as waiting where a census counts it, not before.
Limits in bytes are not followed.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping
from functools import cache

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.topology import Topology

__all__ = ["Standing", "Ways"]

Place = tuple[str, str]


class Ways:
    """To which working queues a publication leads, by all that was seen in a run.

    Args:
        events: of the run.
        dead_letters: queues where messages rest, and do not wait.
    """

    def __init__(self, events: Iterable[e.Event], dead_letters: Collection[str]) -> None:
        self.working: set[str] = set()
        self.limits: dict[str, int] = {}
        """How many messages a queue holds that drops its oldest when it is full."""
        self.refusing: set[str] = set()
        """Queues that refuse what is too much."""
        self._seen: dict[str, set[str]] = {}
        topology = Topology(complete=False)
        for event in events:
            if isinstance(event, e.Delivered) and event.message is not None:
                if event.queue not in dead_letters:
                    self.working.add(event.queue)
                    if event.deaths is None:
                        self._seen.setdefault(event.message, set()).add(event.queue)
            elif isinstance(event, e.Published) and not event.exchange:
                self.working.add(event.routing_key)
            elif isinstance(event, e.CensusTaken):
                topology = event.topology
                self._bounded(event)
        self._leads_to = cache(topology.leads_to)

    def _bounded(self, event: e.CensusTaken) -> None:
        bounded = {each.name: each for each in event.queues if each.max_length is not None}
        self.refusing = {
            name for name, each in bounded.items() if (each.overflow or "").startswith("reject-publish")
        }
        self.limits = {
            name: each.max_length or 0 for name, each in bounded.items() if name not in self.refusing
        }

    def of(self, event: e.Published | e.Republished) -> list[str]:
        """Return the queues; one without a name where it is not known which."""
        if not event.exchange:
            found = {event.routing_key} & self.working
        else:
            bound = self._leads_to(event.exchange, event.routing_key) & self.working
            found = set(bound) or self._seen.get(event.message, set())
        if not found and isinstance(event, e.Published):
            return [""]
        return sorted(found)


class Standing:
    """Counts what waits, by message and queue.

    Args:
        limits: how many messages a queue holds that drops its oldest when it is full.
    """

    def __init__(self, limits: Mapping[str, int]) -> None:
        self._limits = limits
        self._lines: dict[str, deque[str]] = {queue: deque() for queue in limits}
        """Messages of a queue with a limit, the oldest first; also of copies that wait no more."""
        self._held: Counter[str] = Counter()
        self._places: Counter[Place] = Counter()
        self._queues: dict[str, list[str]] = {}
        """Where copies of a message wait, in the order in which they came."""
        self._dead: Counter[str] = Counter()
        """How many copies of a message were rejected and may come again from a waiting room."""
        self._sum = self._extra = 0

    @property
    def count(self) -> int:
        """How many copies wait."""
        return self._sum + self._extra

    def put(self, message: str, queues: Iterable[str], *, back: bool = False) -> None:
        """Note copies of a message that wait; one that came `back` to its queue is the oldest there."""
        for queue in queues:
            self._places[message, queue] += 1
            self._queues.setdefault(message, []).append(queue)
            self._sum += 1
            if queue in self._limits:
                self._lined_up(message, queue, back=back)

    def _lined_up(self, message: str, queue: str, *, back: bool) -> None:
        """Note a copy in a queue with a limit, and drop the oldest where that is one too many."""
        line = self._lines[queue]
        (line.appendleft if back else line.append)(message)
        self._held[queue] += 1
        while self._held[queue] > self._limits[queue]:
            self._remove(line.popleft(), queue)  # a copy that waits no more is passed over

    def rejected(self, message: str) -> None:
        """Note a copy that its consumer rejected for good."""
        self._dead[message] += 1

    def take(self, message: str, queue: str, *, dead: bool = False) -> None:
        """Take a copy out that was delivered; `dead` tells whether it had passed a dead-letter exchange."""
        if self._remove(message, queue) or (not dead and self._remove(message, "")):
            return
        if dead and self._dead[message]:
            self._dead[message] -= 1
            self._extra -= self._extra > 0
        elif dead and self._queues.get(message):
            self._remove(message, self._queues[message][0])  # it had waited there until it expired
        else:
            self._extra -= self._extra > 0

    def returned(self, message: str, queues: Iterable[str]) -> None:
        """Take out what a publication put there that no queue took."""
        for queue in queues:
            self._remove(message, queue)

    def _remove(self, message: str, queue: str) -> bool:
        if not self._places[message, queue]:
            return False
        self._places[message, queue] -= 1
        self._queues[message].remove(queue)
        self._sum -= 1
        self._held[queue] -= queue in self._limits
        self._extra = max(self._extra, -self._sum)
        return True

    def set(self, ready: int) -> None:
        """Believe a census."""
        self._extra = ready - self._sum
