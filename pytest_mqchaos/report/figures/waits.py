"""How long messages took from publish to effect, in and out of the faults' windows, and how often each was delivered.

A percentile is the nearest rank: the smallest value that so many per cent of the values do not exceed.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pytest_mqchaos.model import events as e

__all__ = ["EDGES", "Waits", "Window", "first_after", "percentile"]

EDGES = tuple(round(m * 10.0**k, 6) for k in range(-3, 3) for m in (1, 2, 5))
"""Upper edges of the distribution's bars, in seconds: 1, 2, 5 ms and so on; a last bar is open above."""

Window = tuple[float, float]


class Waits:
    """Gathers how long each message took.

    Args:
        start: the moment that counts as zero, in nanoseconds.
        by_effect: whether effects are seen as they happen; else a message's way ends with its ack.
    """

    def __init__(self, start: int, *, by_effect: bool) -> None:
        self._start = start
        self._by_effect = by_effect
        self._published: dict[str, float] = {}
        self._done: dict[str, float] = {}
        self._delivered: dict[str, int] = {}
        self.worked: list[float] = []
        """When work was seen to be done, in seconds."""
        self.arrived: list[float] = []
        """When deliveries arrived, in seconds."""

    def handlers(self) -> Mapping[type[e.Event], Callable[[Any], None]]:
        """Return what takes each kind of event in."""
        end: type[e.Event] = e.Effected if self._by_effect else e.Acked
        return {e.Published: self._sent, e.Delivered: self._handed, end: self._worked}

    def _sent(self, event: e.Published) -> None:
        if event.passed and event.message not in self._published:
            self._published[event.message] = (event.at - self._start) / 1e9

    def _handed(self, event: e.Delivered) -> None:
        if event.message is not None and event.passed:
            self._delivered[event.message] = self._delivered.get(event.message, 0) + 1
            self.arrived.append((event.at - self._start) / 1e9)

    def _worked(self, event: e.Effected | e.Acked) -> None:
        if event.message is None or not getattr(event, "passed", True):
            return
        at = (event.at - self._start) / 1e9
        self.worked.append(at)
        self._done.setdefault(event.message, at)

    def deliveries(self) -> list[dict[str, int]]:
        """Return how many messages were delivered so and so often; those published and never delivered are 0."""
        counts: dict[int, int] = {}
        for message in self._published:
            often = self._delivered.get(message, 0)
            counts[often] = counts.get(often, 0) + 1
        return [{"deliveries": often, "messages": many} for often, many in sorted(counts.items())]

    def latency(self, windows: Sequence[Window]) -> dict[str, Any]:
        """Return the time from publish to first effect, of the messages that a fault's window met and of the others."""
        inside: list[float] = []
        outside: list[float] = []
        for message, at in self._done.items():
            sent = self._published.get(message)
            if sent is not None:
                met = any(sent <= until and since <= at for since, until in windows)
                (inside if met else outside).append(max(at - sent, 0.0))
        return {
            "until": "effect" if self._by_effect else "ack",
            "all": _summary([*inside, *outside]),
            "inside": _summary(inside),
            "outside": _summary(outside),
            "distribution": _distribution(inside, outside),
        }


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the nearest rank: `share` of the ordered values are no greater."""
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def _summary(values: Iterable[float]) -> dict[str, Any]:
    ordered = sorted(values)
    if not ordered:
        return {"messages": 0, "p50": None, "p95": None, "p99": None, "max": None}
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {"messages": len(ordered)} | {
        name: round(percentile(ordered, share), 6) for name, share in shares.items()
    }


def _distribution(inside: Sequence[float], outside: Sequence[float]) -> list[dict[str, Any]]:
    """Return the bars from the first that holds something to the last."""
    ordered = sorted(inside), sorted(outside)
    bars = []
    edges: list[float | None] = [*EDGES, None]
    low = 0.0
    for high in edges:
        counts = [_between(values, low, high) for values in ordered]
        bars.append({"from": low, "until": high, "inside": counts[0], "outside": counts[1]})
        low = high or low
    held = [i for i, bar in enumerate(bars) if bar["inside"] or bar["outside"]]
    return bars[held[0] : held[-1] + 1] if held else []


def _between(ordered: Sequence[float], low: float, high: float | None) -> int:
    """Count the values above `low` up to `high`, that included; zero belongs to the first bar."""
    first = bisect_right(ordered, low) if low else 0
    return (len(ordered) if high is None else bisect_right(ordered, high)) - first


def first_after(ordered: Sequence[float], at: float) -> float | None:
    """Return the first of the ordered moments from `at` on."""
    place = bisect_left(ordered, at)
    return ordered[place] if place < len(ordered) else None
