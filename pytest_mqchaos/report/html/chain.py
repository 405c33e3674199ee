"""The life of a message as a Markov chain, laid out for the template: boxes of states, arrows with their shares.

```
              ┌ requeued ┐                acknowledged
   ready ───► in flight  ┴───────────►    dropped
              └ dead-lettered ─────────►  resting, unsettled
```
Every state has its place; only those that were come to are drawn, and an arrow is as thick as its step was frequent.
Where another box is in its way, an arrow is bent around it, and its label keeps off the boxes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
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
_CLEAR = 5.0
"""How far an arrow keeps from boxes that it only passes."""
_BEND, _BENDS = 10.0, 40
"""By how much more, and how often, an arrow is bent until no box is in its way."""
_FINE = 120
"""In how many points a line is looked at."""
_LETTER = 6.2
"""The mean width of a letter of a label."""

Point = tuple[float, float]
Line = tuple[Point, Point, Point]
"""Begin, control point and end of a curve; of a straight one the control point is its middle."""
Rect = tuple[float, float, float, float]
"""Left, top, right, bottom."""


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
    labels: list[Rect] = []
    arrows = [_arrow(step, seen, labels, apart=(step["to"], step["from"]) in pairs) for step in steps]
    return ChainDrawing(
        700.0,
        max(_PLACES[state][1] for state in seen) + _HEIGHT / 2 + 8.0,
        [_box(state, state not in left, lifecycle["ends"]) for state in seen],
        arrows,
        min(_PLACES[state][1] for state in seen) - _HEIGHT / 2 - 8.0,
    )


def _box(state: str, end: bool, ends: Mapping[str, float]) -> Box:
    x, y = _PLACES[state]
    share = ends.get(state) if end else None
    return Box(x - _WIDTH / 2, y - _HEIGHT / 2, _WIDTH, _HEIGHT, _words(state), end, share)


def _arrow(step: Mapping[str, Any], seen: Sequence[str], labels: list[Rect], *, apart: bool) -> Arrow:
    """Return a step's arrow; where its label lies is added to `labels`."""
    line = _line(
        step["from"], step["to"], [state for state in seen if state not in (step["from"], step["to"])], apart
    )
    begin, control, finish = line
    length = math.dist(control, finish)
    along = ((finish[0] - control[0]) / length, (finish[1] - control[1]) / length)
    tip = (finish[0] - along[0], finish[1] - along[1])
    straight = control == _between(begin, finish)
    way = "L" if straight else f"Q{control[0]:.1f} {control[1]:.1f} "
    label = f"{percent(step['probability'])} ({number(step['count'])})"
    x, y, anchor = _label(line, label, [*map(_rect, seen)], labels)
    return Arrow(
        d=f"M{begin[0]:.1f} {begin[1]:.1f}{way}{tip[0]:.1f} {tip[1]:.1f}",
        head=_head(finish, along),
        width=round(1.0 + 2.5 * step["probability"], 2),
        x=x,
        y=y,
        anchor=anchor,
        label=label,
        title=f"{_words(step['from'])} to {_words(step['to'])}: {number(step['count'])} of {number(step['of'])}",
    )


def _line(origin: str, target: str, others: Sequence[str], apart: bool) -> Line:
    """Return the way from one state to another, straight if no other box lies there; else it is bent around them.

    Bent or not, two arrows of opposite ways are on different sides: each bends to its own left first.
    """
    one, other = _PLACES[origin], _PLACES[target]
    length = math.dist(one, other)
    left = (-(other[1] - one[1]) / length, (other[0] - one[0]) / length)
    aside = _SIDEWAYS if apart else 0.0
    boxes = [_rect(state, _CLEAR) for state in others]
    lines = []
    for bend in (0.0, *(sign * n * _BEND for n in range(1, _BENDS) for sign in (1, -1))):
        middle = _between(one, other)
        control = (middle[0] + left[0] * bend, middle[1] + left[1] * bend)
        line = _drawn(one, other, control, (left[0] * aside, left[1] * aside) if not bend else (0.0, 0.0))
        if not any(_within(point, box) for point in _points(line) for box in boxes):
            return line
        lines.append(line)
    return lines[0]


def _drawn(one: Point, other: Point, control: Point, aside: Point) -> Line:
    """Return a line between the edges of two boxes, moved aside where it is straight."""
    begin = _edge((one[0] + aside[0], one[1] + aside[1]), one, _towards(one, control))
    finish = _edge((other[0] + aside[0], other[1] + aside[1]), other, _towards(other, control))
    straight = control == _between(one, other)
    return begin, _between(begin, finish) if straight else control, finish


def _label(line: Line, text: str, boxes: Sequence[Rect], labels: list[Rect]) -> tuple[float, float, str]:
    """Return where a label stands: beside the middle of its arrow, or as near to it as there is room."""
    begin, _, finish = line
    upright = abs(_towards(begin, finish)[0]) < 0.3
    places = []
    for share in (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82):
        x, y = _at(line, share)
        if upright:
            middle = _PLACES["in_flight"][0]  # of two opposite ways each has its label on the outer side
            offsets = [(7.0, 4.0, "start"), (-7.0, 4.0, "end")]
            if x < middle or (x == middle and finish[1] > begin[1]):
                offsets.reverse()
        else:
            offsets = [(0.0, -6.0, "middle"), (0.0, 14.0, "middle")]
        places += [(round(x + dx, 1), round(y + dy, 1), anchor) for dx, dy, anchor in offsets]
    free = [each for each in places if not any(_meet(_covered(*each, text), box) for box in boxes)]
    alone = [each for each in free if not any(_meet(_covered(*each, text), other) for other in labels)]
    chosen = (alone or free or places)[0]
    labels.append(_covered(*chosen, text))
    return chosen


def _covered(x: float, y: float, anchor: str, text: str) -> Rect:
    """Return what a label covers, by the mean width of a letter."""
    width = len(text) * _LETTER
    begin = x - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
    return begin, y - 10.0, begin + width, y + 4.0


def _rect(state: str, margin: float = 0.0) -> Rect:
    x, y = _PLACES[state]
    return (
        x - _WIDTH / 2 - margin,
        y - _HEIGHT / 2 - margin,
        x + _WIDTH / 2 + margin,
        y + _HEIGHT / 2 + margin,
    )


def _within(point: Point, box: Rect) -> bool:
    return box[0] < point[0] < box[2] and box[1] < point[1] < box[3]


def _meet(one: Rect, other: Rect) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _points(line: Line) -> Iterator[Point]:
    return (_at(line, n / _FINE) for n in range(_FINE + 1))


def _at(line: Line, share: float) -> Point:
    """Return a point of a line, a curve with one control point."""
    rest = 1 - share
    x, y = (rest * rest * b + 2 * share * rest * c + share * share * f for b, c, f in zip(*line, strict=True))
    return x, y


def _between(one: Point, other: Point) -> Point:
    return (one[0] + other[0]) / 2, (one[1] + other[1]) / 2


def _towards(one: Point, other: Point) -> Point:
    length = math.dist(one, other)
    return (other[0] - one[0]) / length, (other[1] - one[1]) / length


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
