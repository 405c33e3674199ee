"""The life of a message as a Markov chain, laid out for the template: boxes of states, arrows with their shares.

```
              ┌ requeued ┐                acknowledged
   ready ───► in flight  ┴───────────►    dropped
              └ dead-lettered ─────────►  resting, unsettled
```
Every state has its place; only those that were come to are drawn, and an arrow is as thick as its step was frequent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_mqchaos.report.words import number, percent

__all__ = ["Arrow", "Box", "ChainDrawing", "chain"]

_WIDTH, _HEIGHT = 144.0, 30.0
_PLACES = {
    "ready": (76.0, 120.0),
    "in_flight": (330.0, 120.0),
    "requeued": (330.0, 24.0),
    "dead_lettered": (330.0, 216.0),
    "acknowledged": (616.0, 48.0),
    "dropped": (616.0, 104.0),
    "unsettled": (616.0, 160.0),
    "resting": (616.0, 216.0),
}
"""The middles of the boxes; the ends stand on the right."""
_SIDEWAYS = 9.0
"""How far two arrows of opposite ways keep apart."""


@dataclass(frozen=True, slots=True)
class Box:
    """A state: where it stands, what it is called, and whether the chain ends there."""

    x: float
    y: float
    width: float
    height: float
    name: str
    end: bool
    share: float | None
    """Of an end: how likely a life ends there."""


@dataclass(frozen=True, slots=True)
class Arrow:
    """A step: its line, its head, and its words."""

    d: str
    head: str
    width: float
    x: float
    y: float
    anchor: str
    label: str
    title: str


@dataclass(frozen=True, slots=True)
class ChainDrawing:
    """The whole chain."""

    width: float
    height: float
    boxes: list[Box]
    arrows: list[Arrow]
    top: float = 0.0
    """Where the highest box begins: nothing is drawn above."""


def chain(lifecycle: Mapping[str, Any]) -> ChainDrawing:
    """Return the drawing of a document's lifecycle."""
    steps = lifecycle["steps"]
    seen = [state for state in _PLACES if any(state in (step["from"], step["to"]) for step in steps)]
    left = {step["from"] for step in steps}
    pairs = {(step["from"], step["to"]) for step in steps}
    return ChainDrawing(
        700.0,
        max(_PLACES[state][1] for state in seen) + _HEIGHT / 2 + 8.0,
        [_box(state, state not in left, lifecycle["ends"]) for state in seen],
        [_arrow(step, apart=(step["to"], step["from"]) in pairs) for step in steps],
        min(_PLACES[state][1] for state in seen) - _HEIGHT / 2 - 8.0,
    )


def _box(state: str, end: bool, ends: Mapping[str, float]) -> Box:
    x, y = _PLACES[state]
    share = ends.get(state) if end else None
    return Box(x - _WIDTH / 2, y - _HEIGHT / 2, _WIDTH, _HEIGHT, _words(state), end, share)


def _arrow(step: Mapping[str, Any], *, apart: bool) -> Arrow:
    origin, target = _PLACES[step["from"]], _PLACES[step["to"]]
    length = math.dist(origin, target)
    along = ((target[0] - origin[0]) / length, (target[1] - origin[1]) / length)
    aside = (-along[1] * _SIDEWAYS, along[0] * _SIDEWAYS) if apart else (0.0, 0.0)
    begin = _edge((origin[0] + aside[0], origin[1] + aside[1]), origin, along)
    finish = _edge((target[0] + aside[0], target[1] + aside[1]), target, (-along[0], -along[1]))
    tip = (finish[0] - along[0], finish[1] - along[1])
    upright = abs(along[0]) < 0.3
    return Arrow(
        d=f"M{begin[0]:.1f} {begin[1]:.1f}L{tip[0]:.1f} {tip[1]:.1f}",
        head=_head(finish, along),
        width=round(1.0 + 2.5 * step["probability"], 2),
        x=round((begin[0] + finish[0]) / 2 + (math.copysign(7, aside[0] or 1) if upright else 0.0), 1),
        y=round((begin[1] + finish[1]) / 2 + (4.0 if upright else -6.0), 1),
        anchor=("end" if aside[0] < 0 else "start") if upright else "middle",
        label=f"{percent(step['probability'])} ({number(step['count'])})",
        title=f"{_words(step['from'])} to {_words(step['to'])}: {number(step['count'])} of {number(step['of'])}",
    )


def _words(state: str) -> str:
    return state.replace("_", " ")


def _edge(
    point: tuple[float, float], middle: tuple[float, float], along: tuple[float, float]
) -> tuple[float, float]:
    """Where a ray from a point inside of a box leaves it."""
    reaches = []
    for place, centre, way, half in zip(point, middle, along, (_WIDTH / 2, _HEIGHT / 2), strict=True):
        if way:
            reaches.append((centre + math.copysign(half, way) - place) / way)
    reach = min(reaches)
    return point[0] + along[0] * reach, point[1] + along[1] * reach


def _head(tip: tuple[float, float], along: tuple[float, float]) -> str:
    back = (tip[0] - 9 * along[0], tip[1] - 9 * along[1])
    wing = (-along[1] * 4.5, along[0] * 4.5)
    points = (tip, (back[0] + wing[0], back[1] + wing[1]), (back[0] - wing[0], back[1] - wing[1]))
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z"
