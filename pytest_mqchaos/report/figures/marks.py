"""The timeline: what happened when, on which lane, in as many marks as can be drawn.

A run of a few thousand marks keeps them all at their moments. In a longer one the many of a kind are counted in
steps: `points` are then `[from, how many]`, and `step` says how long each is. Where nothing happens for long the axis
may be cut: `quiet`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from pytest_mqchaos.model import events as e

__all__ = ["Marks"]

_EXACT = 3000
"""Most marks of a run that keep their own moments."""
_FEW = 250
"""Marks of one kind on one lane that keep their own moments in any case."""
_STEPS = 240
"""Steps of a longer run's time."""
_LANES = 12
"""Most consumers that get a lane."""
_QUIET = 0.2
"""Seconds without any mark that may be cut out of the axis, if they are this share of what is left of it."""
_SHARE = 0.35
_CUTS = 3

Key = tuple[str, str]


class Marks:
    """Gathers the marks of a run.

    Args:
        start: the moment that counts as zero, in nanoseconds.
    """

    def __init__(self, start: int) -> None:
        self._start = start
        self._at: dict[Key, list[float]] = {}
        self._holder: dict[str, str] = {}
        self._judged: float | None = None

    def handlers(self) -> Mapping[type[e.Event], Callable[[Any], None]]:
        """Return what takes each kind of event in."""
        return {
            e.Published: self._sent("published"),
            e.Confirmed: self._sent("confirmed"),
            **dict.fromkeys((e.Returned, e.PublishNacked), self._sent("refused")),
            e.PublishFailed: lambda event: self._mark("publisher", "refused", event.at),
            e.Delivered: self._delivered,
            e.Acked: self._sent("acked"),
            **dict.fromkeys((e.Nacked, e.Rejected), self._given_back),
            e.Effected: self._effected,
            e.LinkLost: self._lost,
            e.SettleEnded: self._ended,
        }

    def _mark(self, lane: str, kind: str, at: int) -> None:
        moments = self._at.get((lane, kind))
        if moments is None:
            moments = self._at[lane, kind] = []
        moments.append((at - self._start) / 1e9)

    def _sent(self, kind: str) -> Callable[[Any], None]:
        def taker(event: Any) -> None:
            if event.message is not None:
                self._mark(event.link, kind if event.passed else f"{kind}_stopped", event.at)

        return taker

    def _delivered(self, event: e.Delivered) -> None:
        if event.message is not None:
            self._holder[event.message] = event.link
            self._mark(event.link, "delivered" if event.passed else "delivered_stopped", event.at)

    def _given_back(self, event: e.Nacked | e.Rejected) -> None:
        if event.message is not None:
            kind = "given_back" if event.requeue else "rejected"
            self._mark(event.link, kind if event.passed else f"{kind}_stopped", event.at)

    def _effected(self, event: e.Effected) -> None:
        if event.message is not None:
            lane = event.consumer or self._holder.get(event.message)
            if lane is not None:
                self._mark(lane, "effected", event.at)

    def _lost(self, event: e.LinkLost) -> None:
        if not event.clean:
            self._mark(event.link, "link_lost", event.at)

    def _ended(self, event: e.SettleEnded) -> None:
        self._judged = (event.at - self._start) / 1e9

    def timeline(self, consumers: Sequence[str], moments: Iterable[float]) -> dict[str, Any]:
        """Return the timeline.

        Args:
            consumers: their names, in order; links that nobody named follow.
            moments: when else something happened (strikes, heals, starts, ends), in seconds.
        """
        seen = [name for name, _ in self._at if name not in ("publisher", *consumers)]
        names = list(dict.fromkeys([*consumers, *seen]))
        lanes = ["publisher", *names[:_LANES]]
        marks = sum(map(len, self._at.values()))
        times = self._times(moments, exact=marks <= _EXACT)
        last = self._judged if self._judged is not None else max(times, default=0.0)
        first = min([0.0, *(at for each in self._at.values() for at in each[:1])])
        until = max(last, max((each[-1] for each in self._at.values()), default=0.0), first + 0.001)
        quiet = _quiet([at for at in [*times, until] if first <= at <= until])
        step = _step(until - first, quiet) if marks > _EXACT else 0.0
        return {
            "from": round(first, 6),
            "until": round(until, 6),
            "judged": None if self._judged is None else round(self._judged, 6),
            "step": round(step, 6),
            "quiet": [[round(a, 6), round(b, 6)] for a, b in quiet],
            "lanes": lanes,
            "lanes_left_out": max(len(names) - _LANES, 0),
            "marks": [
                _series(lane, kind, at, first, step if len(at) > _FEW else 0.0)
                for (lane, kind), at in sorted(
                    self._at.items(), key=lambda item: _lanes_first(item[0], lanes)
                )
                if lane in lanes
            ],
        }

    def _times(self, moments: Iterable[float], *, exact: bool) -> list[float]:
        """Return when anything happened, in order; of many marks to a thousandth of a second."""
        if exact:
            return sorted({*(at for each in self._at.values() for at in each), *moments})
        rough = {int(at * 1000) for each in self._at.values() for at in each}
        return sorted({*(at / 1000 for at in rough), *moments})


def _lanes_first(key: Key, lanes: Sequence[str]) -> tuple[int, str]:
    """Return the place of a series: by its lane, then by its kind."""
    return (lanes.index(key[0]) if key[0] in lanes else len(lanes), key[1])


def _quiet(times: Sequence[float]) -> list[tuple[float, float]]:
    """Return the stretches that the axis may cut: the longest ones without a mark, in the order of time."""
    left = times[-1] - times[0] if times else 0.0
    found = []
    for gap, a, b in sorted(((b - a, a, b) for a, b in pairwise(times)), reverse=True)[:_CUTS]:
        if gap < _QUIET or gap < _SHARE * left:
            break
        found.append((a, b))
        left -= gap
    return sorted(found)


def _step(span: float, quiet: Sequence[tuple[float, float]]) -> float:
    return max(span - sum(b - a for a, b in quiet), 1e-6) / _STEPS


def _series(lane: str, kind: str, at: Sequence[float], first: float, step: float) -> dict[str, Any]:
    points = _points(at, first, step)
    return {"lane": lane, "kind": kind, "total": len(at), "step": round(step, 6), "points": points}


def _points(times: Sequence[float], first: float, step: float) -> list[list[float]]:
    """Return `[moment, 1]` for each mark or, with a step, `[from, how many]` for each step that has some."""
    if not step:
        return [[round(at, 5), 1] for at in times]
    counts: dict[int, int] = {}
    for at in times:
        place = int((at - first) / step)
        counts[place] = counts.get(place, 0) + 1
    return [[round(first + place * step, 5), count] for place, count in sorted(counts.items())]
