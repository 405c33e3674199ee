"""Counts as bars, laid out for the template: a row for each, what is as promised filled, the rest behind it and framed.

```
 ≤ 50 ms   ██████████ 120
 ≤ 200 ms  ███▒▒ 30 + 9          each sort of count by its own look, and as a number beside the bar
 ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─        what was promised
 over it   ▒ 2
```
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["BarRow", "BarRows", "bar_rows"]

_LEFT, _WIDE, _HIGH, _RIGHT = 108.0, 240.0, 17.0, 90.0


@dataclass(frozen=True, slots=True)
class BarRow:
    """One row: its name, its parts as (x, width, kind), and its counts as they are written behind it."""

    y: float
    name: str
    parts: list[tuple[float, float, str]]
    end: float
    counts: str


@dataclass(frozen=True, slots=True)
class BarRows:
    """The whole drawing; `promised` is where a line parts what is as promised from what is not."""

    width: float
    height: float
    left: float
    rows: list[BarRow]
    promised: float | None


def bar_rows(
    rows: Sequence[tuple[str, Mapping[str, int]]], sorts: Mapping[str, str], promised: int | None = None
) -> BarRows:
    """Return the drawing of some counts.

    Args:
        rows: the name of each row, and its counts by sort.
        sorts: the look of each sort (`good`, `bad`, `unsure`, `excused`), in the order of drawing.
        promised: below so many rows the line is drawn; nowhere if None.
    """
    most = max((sum(counts[sort] for sort in sorts) for _, counts in rows), default=0) or 1
    made = [
        _row(n, name, [(sorts[sort], counts[sort]) for sort in sorts], most)
        for n, (name, counts) in enumerate(rows)
    ]
    line = None if promised is None or not 0 < promised < len(rows) else 2 + promised * _HIGH - 1
    return BarRows(_LEFT + _WIDE + _RIGHT, len(rows) * _HIGH + 4, _LEFT, made, line)


def _row(number: int, name: str, counts: Sequence[tuple[str, int]], most: int) -> BarRow:
    x, parts = _LEFT, []
    for look, count in counts:
        if count:
            width = max(round(count / most * _WIDE, 1), 1.0)
            parts.append((round(x, 1), width, look))
            x += width
    written: list[Any] = [f"{count:,}" for _, count in counts if count] or ["0"]
    return BarRow(2 + number * _HIGH, name, parts, round(x, 1), " + ".join(written))
