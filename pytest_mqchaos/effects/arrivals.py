"""How often each message's work has arrived at a queue: what was seen there, held against what was sent there.

```
 sent by a consumer, on its link ──► at most so often ─┐
 taken out, or delivered to a later stage ─────────────┴─► counted once each
```
What a broker hands out again was counted before; where its connection was lost on the way it may never have been
seen. A broker that was killed forgets what was taken, and hands it out as if for the first time: nothing arrives
more often than it was sent.
"""

from __future__ import annotations

from collections import Counter

__all__ = ["Arrivals"]


class Arrivals:
    """Counts the arrivals of one source, by message."""

    def __init__(self) -> None:
        self._sent: Counter[str] = Counter()
        self._others: set[str] = set()
        """Messages that somebody sent whose work the source does not show."""
        self._first: Counter[str] = Counter()
        self._again: set[str] = set()
        self._told: Counter[str] = Counter()
        self._changed: dict[str, None] = {}

    def sent(self, message: str, *, own: bool = True) -> None:
        """Note that a consumer published one, `own` if it is the consumer whose work the source shows."""
        if own:
            self._sent[message] += 1
        else:
            self._others.add(message)
        self._changed[message] = None

    def arrived(self, message: str, *, again: bool) -> None:
        """Note that one was seen in the queue; `again` if the broker says that it was handed out before."""
        if again:
            self._again.add(message)
        else:
            self._first[message] += 1
        self._changed[message] = None

    def count(self, message: str) -> int:
        """How often a message's work is there, as far as can be told."""
        seen = self._first[message] or (message in self._again)
        sent = self._sent[message]
        # A publication past every link, or one that could not be told on the wire, is known by its arrival alone.
        return min(seen, sent) if sent or message in self._others else seen

    def more(self) -> dict[str, int]:
        """Return how much more there is of each message than was told before."""
        found: dict[str, int] = {}
        while self._changed:
            message, _ = self._changed.popitem()
            if (count := self.count(message)) > self._told[message]:
                found[message] = count - self._told[message]
                self._told[message] = count
        return dict(sorted(found.items()))
