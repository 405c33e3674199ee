"""What a link's network is like just now: the conditions that faults have brought upon it.

A condition is brought about by the route (Toxiproxy), or by the wire where the route does not do it. The wire's own
stand where Toxiproxy would: between the relay and the broker. Fragments are cut again on the client's side too, since
the relay passes whole frames on.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

__all__ = ["Condition", "ConditionKind", "Place", "Weather"]

ConditionKind = Literal["stall", "black_hole", "latency", "bandwidth", "fragment"]
Place = Literal["broker", "client"]
_FRAMES = 1000
"""Bytes of a short exchange with the broker: what a slow link needs for them, waits for it must allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One thing that a fault has made of a network; `number` is the fault's.

    `delay` and `jitter` are seconds, `rate` is bytes a second, `size` is bytes, as the kind needs them.
    """

    number: int
    kind: ConditionKind
    delay: float = 0.0
    jitter: float = 0.0
    rate: float = 0.0
    size: int = 0


class Weather:
    """The conditions of one link; on the link's thread only."""

    def __init__(self, rng: random.Random | None = None) -> None:
        self._rng = rng or random.Random()
        self._all: dict[int, Condition] = {}
        self._own: dict[int, Condition] = {}
        self._followers: set[Callable[[], None]] = set()
        self.here: dict[Place, tuple[Condition, ...]] = {"broker": (), "client": ()}
        """What the wire itself does, on each of its sides."""

    def bring(self, condition: Condition, *, by_route: bool) -> None:
        """Let a condition come into force; where the route does it, the wire does not."""
        self._all[condition.number] = condition
        if not by_route:
            self._own[condition.number] = condition
        self._changed()

    def lift(self, number: int) -> None:
        """Let the condition of a fault end; one that is not there is not."""
        self._own.pop(number, None)
        if self._all.pop(number, None) is not None:
            self._changed()

    def follow(self, changed: Callable[[], None]) -> None:
        """Call `changed` whenever a condition ends or begins."""
        self._followers.add(changed)

    def leave(self, changed: Callable[[], None]) -> None:
        """Call it no more."""
        self._followers.discard(changed)

    def delay(self, place: Place) -> float:
        """Return the seconds that what is said now is to be late."""
        total = 0.0
        for each in self.here[place]:
            total += each.delay + (self._rng.uniform(-each.jitter, each.jitter) if each.jitter else 0.0)
        return max(0.0, total)

    @property
    def lag(self) -> float:
        """Seconds that a question to the broker and its answer take longer, at most; short ones."""
        return sum(
            2 * (each.delay + each.jitter) + (2 * _FRAMES / each.rate if each.rate else 0.0)
            for each in self._all.values()
        )

    def _changed(self) -> None:
        self.here = {
            "broker": tuple(self._own.values()),
            "client": tuple(each for each in self._all.values() if each.kind == "fragment"),
        }
        for changed in tuple(self._followers):
            changed()
