"""Messages of one body: once an application has published one under fresh properties, nothing tells it from the others.

Any of them may stand for such a copy, for they are alike in all that can be seen. One does: who hands a copy on had one
of them, and what is delivered or rests without a name is one that was handed on and that nobody has settled since.

```
delivered to worker: a, b (by their headers)      had by worker: a, b
published by worker, without a name        → a    on its way: a
published by worker, without a name        → b    on its way: a, b
delivered without a name                   → a    in hand: a          on its way: b
given back, or its channel ended                  back: a             on its way: b
acknowledged                                      gone
```
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, defaultdict, deque
from typing import TypeAlias

__all__ = ["Twins"]

Place: TypeAlias = tuple[int, int, int]
"""A delivery: the numbers of its connection and channel, and its tag."""


class Twins:
    """The messages of a run that share their body with others, and their copies that have no name of their own.

    All that is asked for each message takes the same time however many there are: a workload may have one body.
    """

    def __init__(self) -> None:
        self._first: dict[str, str] = {}
        """The first message with each body."""
        self._shared: set[str] = set()
        """Digests of the bodies that several messages have."""
        self._had: defaultdict[tuple[str, str], OrderedDict[str, None]] = defaultdict(OrderedDict)
        """By link and digest: what it was handed and has not handed on."""
        self._sent: defaultdict[str, deque[str]] = defaultdict(deque)
        """By digest: what was handed on without a name and was not delivered yet."""
        self._back: defaultdict[str, deque[str]] = defaultdict(deque)
        """By digest: what was delivered so and went back."""
        self._in_hand: dict[Place, tuple[str, str]] = {}
        """Deliveries without a name: the digest, and the message that stands for it."""
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
                self._had[link, digest].setdefault(message)

    def handed_on(self, link: str, digest: str | None) -> str | None:
        """Return the message that a link publishes without its name; None if it is none that it had."""
        if digest not in self._shared:
            return None
        with self._lock:
            had = self._had[link, digest]
            if not had:
                return None
            message, _ = had.popitem(last=False)
            self._sent[digest].append(message)
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
            sent, back = self._sent[digest], self._back[digest]
            waiting = (back or sent) if redelivered else (sent or back)
            if not waiting:
                return None
            message = waiting.popleft()
            self._in_hand[place] = digest, message
            self._had[link, digest].setdefault(message)
            return message

    def settled(self, place: Place, *, requeue: bool) -> None:
        """A delivery without a name was settled: it is gone, unless it goes back."""
        if place in self._in_hand:
            with self._lock:
                digest, message = self._in_hand.pop(place)
                if requeue:
                    self._back[digest].append(message)

    def ended(self, connection: int, channel: int | None = None) -> None:
        """A connection, or one of its channels, ended: what was in hand there goes back."""
        with self._lock:
            for place in [one for one in self._in_hand if one[0] == connection and channel in (None, one[1])]:
                digest, message = self._in_hand.pop(place)
                self._back[digest].append(message)

    def at_rest(self, digest: str) -> tuple[str, ...]:
        """Return the messages that stand for copies at rest without a name: those handed on and never settled.

        One that was handed on twice stands there once before any stands there twice: the first may not have arrived.
        """
        with self._lock:
            held = (message for of, message in self._in_hand.values() if of == digest)
            loose = [*held, *self._back.get(digest, ()), *self._sent.get(digest, ())]
        seen: Counter[str] = Counter()
        turns = []
        for message in loose:
            turns.append(seen[message])
            seen[message] += 1
        return tuple(loose[number] for number in sorted(range(len(loose)), key=turns.__getitem__))
