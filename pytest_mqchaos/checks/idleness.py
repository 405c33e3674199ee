"""When a queue had a consumer that could take more, and delivered nothing.

A message that was ready all that time would have been delivered: so it was not ready. This tells a delay apart from a
wait behind others, behind a prefetch that is used up, or for a consumer that is away.

```
 Delivered ─────── free, nothing delivered ─────── Delivered     one stretch
 prefetch used up ─ Acked ──── free ──── LinkLost                one stretch
```
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.case import Case

__all__ = ["Idleness"]

_Key: TypeAlias = tuple[int, int, str]
"""A subscription: its connection, channel and consumer tag."""


@dataclass(slots=True, eq=False)
class _Reader:
    """One subscription, and what it has in hand; under a prefetch of the channel, what all of that have."""

    queue: str
    prefetch: int
    open: set[int]

    @property
    def free(self) -> bool:
        return not self.prefetch or len(self.open) < self.prefetch


@dataclass(slots=True)
class _Queue:
    readers: dict[_Key, _Reader] = field(default_factory=dict)
    every: bool = False
    """Whether all readers have to be free: with a single active consumer nobody sees which one is."""
    since: int | None = None
    begins: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    @property
    def free(self) -> bool:
        states = [one.free for one in self.readers.values()]
        return bool(states) and (all(states) if self.every else any(states))


class Idleness:
    """The idle stretches of every queue of a run."""

    def __init__(self, case: Case) -> None:
        self._queues: dict[str, _Queue] = {}
        self._open: dict[tuple[int, int], set[int]] = {}
        self._down = False
        census = case.ledger.end.census
        self._single = {
            state.name
            for state in (() if census is None else census.queues)
            if state.arguments.get("x-single-active-consumer") or state.policy.get("single-active-consumer")
        }
        for event in case.events[: case.ledger.end.index + 1]:
            self._take(event)
        for queue in self._queues.values():
            self._mark(queue, case.ledger.end.at, broken=True)

    def longest(self, queue: str, since: int, until: int) -> int:
        """Return the longest idle stretch of a queue within a time, in nanoseconds."""
        known = self._queues.get(queue)
        if known is None:
            return 0
        longest = 0
        for place in range(max(bisect_right(known.begins, since) - 1, 0), len(known.begins)):
            if known.begins[place] >= until:
                break
            longest = max(longest, min(known.ends[place], until) - max(known.begins[place], since))
        return longest

    def _take(self, event: e.Event) -> None:
        match event:
            case e.Delivered(get=False):
                self._delivered(event)
            case e.Acked(passed=True) | e.Nacked(passed=True) | e.Rejected(passed=True):
                self._settled(event, {event.tag})
            case e.Recovered():
                self._settled(event, None)
            case e.Subscribed():
                self._subscribed(event)
            case e.Unsubscribed() | e.ConsumerCancelled():
                self._leave(
                    event.at, lambda key: key == (event.connection, event.channel, event.consumer_tag)
                )
            case e.ChannelOpened() | e.ChannelClosed():
                self._leave(event.at, lambda key: key[:2] == (event.connection, event.channel))
            case e.LinkLost():
                self._leave(event.at, lambda key: key[0] == event.connection)
            case e.BrokerStopped() | e.BrokerStarted():
                self._down = isinstance(event, e.BrokerStopped)
                for queue in self._queues.values():
                    self._mark(queue, event.at)

    def _at(self, name: str) -> _Queue:
        if name not in self._queues:
            self._queues[name] = _Queue(every=name in self._single)
        return self._queues[name]

    def _subscribed(self, event: e.Subscribed) -> None:
        place = event.connection, event.channel
        shared = self._open.setdefault(place, set()) if event.shared else set()
        prefetch = 0 if event.auto_ack else event.prefetch
        queue = self._at(event.queue)
        queue.readers[*place, event.consumer_tag] = _Reader(event.queue, prefetch, shared)
        self._mark(queue, event.at)

    def _delivered(self, event: e.Delivered) -> None:
        queue = self._at(event.queue)
        reader = queue.readers.get((event.connection, event.channel, event.consumer_tag))
        if reader is not None and not event.auto_ack:
            reader.open.add(event.tag)
        self._mark(queue, event.at, broken=True)

    def _settled(self, event: e.LinkEvent, tags: set[int] | None) -> None:
        for queue in self._queues.values():
            for key, reader in queue.readers.items():
                if key[:2] == (event.connection, event.channel):
                    reader.open.difference_update(reader.open.copy() if tags is None else tags)
            self._mark(queue, event.at)

    def _leave(self, at: int, gone: Callable[[_Key], bool]) -> None:
        for queue in self._queues.values():
            for key in [key for key in queue.readers if gone(key)]:
                del queue.readers[key]
            self._mark(queue, at)

    def _mark(self, queue: _Queue, at: int, *, broken: bool = False) -> None:
        """End or begin a stretch, as the queue's readers are now; a delivery breaks one off."""
        free = queue.free and not self._down
        if queue.since is not None and (broken or not free):
            if at > queue.since:
                queue.begins.append(queue.since)
                queue.ends.append(at)
            queue.since = None
        if free and queue.since is None:
            queue.since = at
