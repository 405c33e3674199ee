"""The order of one key, laid out for the template: three rows of messages, and a line for each from row to row.

```
published   1   2   3   4
            │    ╲ ╱    │
delivered   1   3   2   4         a line that crosses another's is where the order was lost:
            │   │   │   │         above the middle row by the broker, below it by the consumer
worked on   1   3   2   4
```
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

__all__ = ["Place", "Ranks", "ranks"]

_ROWS = (("published", "published"), ("delivered", "delivered"), ("worked on", "worked"))
_LEFT, _STEP, _HIGH = 78.0, 48.0, 48.0
_WIDTH, _HEIGHT = 42.0, 20.0
_FIRST = 14.0


@dataclass(frozen=True, slots=True)
class Place:
    """One message in one row."""

    x: float
    y: float
    text: str
    state: str


@dataclass(frozen=True, slots=True)
class Ranks:
    """The whole drawing."""

    width: float
    height: float
    rows: list[tuple[float, str]]
    lines: list[tuple[str, str, str]]
    """The path, the state and the words of each message; those of interest last, so that they lie on top."""
    places: list[Place]
    box: tuple[float, float] = (_WIDTH, _HEIGHT)


def ranks(key: Mapping[str, Any]) -> Ranks:
    """Return the drawing of a document's key, by the messages whose places are told."""
    told: Sequence[Mapping[str, Any]] = key["places"]
    rows = [(_FIRST + _HIGH * n, title) for n, (title, _) in enumerate(_ROWS)]
    columns = {name: _columns(told, name) for _, name in _ROWS}
    lines = []
    places = []
    for each in sorted(told, key=lambda one: one["state"] != "kept"):
        points = [(columns[name][each["message"]], _FIRST + _HIGH * n) for n, (_, name) in enumerate(_ROWS)]
        path = "".join(_line(*pair) for pair in pairwise(points))
        words = f"{each['number']}: published {each['published']}, delivered {each['delivered']}"
        lines.append((path, each["state"], f"{words} to {each['consumer']}, worked on {each['worked']}"))
        places += [Place(x, y, str(each["number"]), each["state"]) for x, y in points]
    width = _LEFT + _STEP * max(len(told), 1)
    return Ranks(width, _FIRST + 2 * _HIGH + _HEIGHT / 2 + 4, rows, lines, places)


def _line(upper: tuple[float, float], lower: tuple[float, float]) -> str:
    """Return the path from the foot of one box to the head of the next: none lies behind a box."""
    (x, y), (to, below), half = upper, lower, _HEIGHT / 2
    return f"M{x:g} {y + half:g}L{to:g} {below - half:g}"


def _columns(told: Sequence[Mapping[str, Any]], name: str) -> dict[str, float]:
    """Return where each message stands in a row: its place among those that are drawn."""
    ordered = sorted(told, key=lambda one: one[name])
    return {one["message"]: _LEFT + _STEP * (n + 0.5) for n, one in enumerate(ordered)}
