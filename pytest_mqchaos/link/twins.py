"""Messages of one body: once an application has published one under fresh properties, nothing tells it from the others.

Any of them may stand for such a copy, for they are alike in all that can be seen. One does: who hands a copy on had one
of them, and what is delivered or rests without a name is one that was handed on and that nobody has settled since.

```
delivered to worker: a, b (by their headers)      had[worker] = a, b
published by worker, without a name        → a    loose = a
published by worker, without a name        → b    loose = a, b
delivered, or at rest, without a name      → a    loose = a, b
acknowledged                                      loose = b
```
"""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TypeAlias

__all__ = ["Twins"]


Place: TypeAlias = tuple[int, int, int]
"""A delivery: the numbers of its connection and channel, and its tag."""


class Twins:
    """The messages of a run that share their body with others, and their copies that have no name of their own."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}
        """The first message with each body."""
        self._shared: set[str] = set()
        """Digests of the bodies that several messages have."""
        self._had: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        """By link and digest: what it was handed and has not handed on."""
        self._loose: defaultdict[str, list[str]] = defaultdict(list)
        """By digest: what was handed on without a name and is not settled."""
        self._seen: set[str] = set()
        """Those of them that were delivered so."""
        self._places: dict[Place, tuple[str, str]] = {}
        """Deliveries without a name that are in hand: the digest, and the message that stands for it."""
        self._lock = threading.Lock()

    def learn(self, message: str, digest: str) -> None:
        """Take in a message of the workload."""
        with self._lock:
            if self._first.setdefault(digest, message) != message:
                self._shared.add(digest)

    def delivered(self, link: str, message: str, digest: str | None) -> None:
        """A message came to a link under its own name."""
        if digest in self._shared:
            with self._lock:
                had = self._had[link, digest]
                if message not in had:
                    had.append(message)

    def handed_on(self, link: str, digest: str | None) -> str | None:
        """Return the message that a link publishes without its name; None if it is none that it had."""
        if digest not in self._shared:
            return None
        with self._lock:
            had = self._had[link, digest]
            if not had:
                return None
            message = had.pop(0)
            self._loose[digest].append(message)
            self._seen.discard(message)
            return message

    def came(self, link: str, digest: str | None, place: Place, *, redelivered: bool) -> str | None:
        """Return the message that is delivered without its name; None if nobody has handed on such a one.

        Args:
            link: to whom.
            digest: of its body.
            place: names the delivery, which is settled under the same.
            redelivered: the broker's mark: one that was delivered before comes first then.
        """
        if digest not in self._shared:
            return None
        with self._lock:
            loose = self._loose[digest]
            held = {message for of, message in self._places.values() if of == digest}
            free = [one for one in loose if one not in held] or loose
            wanted = [one for one in free if (one in self._seen) == redelivered] or free
            if not wanted:
                return None
            message = wanted[0]
            self._seen.add(message)
            self._places[place] = digest, message
            had = self._had[link, digest]
            if message not in had:
                had.append(message)
            return message

    def settled(self, place: Place, *, requeue: bool) -> None:
        """A delivery without a name was settled: it is gone, unless it goes back."""
        if place in self._places:
            with self._lock:
                digest, message = self._places.pop(place)
                if not requeue and message in self._loose[digest]:
                    self._loose[digest].remove(message)

    def ended(self, connection: int, channel: int | None = None) -> None:
        """A connection, or one of its channels, ended: what was in hand there goes back."""
        with self._lock:
            for place in [one for one in self._places if one[0] == connection and channel in (None, one[1])]:
                del self._places[place]

    def at_rest(self, digest: str) -> tuple[str, ...]:
        """Return the messages that stand for copies at rest without a name: those handed on and never settled.

        One that was handed on twice stands there once before any stands there twice: the first may not have arrived.
        """
        with self._lock:
            loose = list(self._loose.get(digest, ()))
        turns = [loose[:place].count(message) for place, message in enumerate(loose)]
        return tuple(
            message for _, message in sorted(zip(turns, loose, strict=True), key=lambda pair: pair[0])
        )
