"""The marks of a timeline as paths: one path a row, so that thousands of marks stay small.

Each kind of mark has a shape of its own; the rows are named beside them. Where marks were counted in steps, each
step is a bar as high as its count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["HEIGHT", "Shape", "bars", "marks_path", "shape_of"]

HEIGHT = 15.0
"""Of a row of marks."""
Points = Sequence[Sequence[float]]


class Shape:
    """How a kind of mark is drawn: strokes relative to its place, and the attributes that need no style."""

    def __init__(self, path: str, colour: str, width: float, *, filled: bool = False) -> None:
        self.path, self.colour, self.width, self.filled = path, colour, width, filled


_TICK, _DOT, _DIAMOND = "m0-4.5v9", "h0", "m0-4.2 4.2 4.2-4.2 4.2-4.2-4.2z"
_CROSS, _BACK, _DOWN = "m-4.5-4.5 9 9m-9 0 9-9", "m3.5-4.5v9l-7-4.5z", "m-4-3.5h8l-4 7z"
_SHAPES: Mapping[str, Shape] = {
    "published": Shape(_TICK, "#0072b2", 1.6),
    "confirmed": Shape(_DOT, "#0072b2", 4.5),
    "refused": Shape(_CROSS, "#d55e00", 1.8),
    "delivered": Shape(_TICK, "#0072b2", 1.6),
    "acked": Shape(_DOT, "#7a6ad8", 5.5),
    "given_back": Shape(_BACK, "#b07d00", 1, filled=True),
    "rejected": Shape(_DOWN, "#b07d00", 1, filled=True),
    "effected": Shape(_DIAMOND, "#00896a", 1, filled=True),
    "link_lost": Shape(_CROSS, "#d55e00", 2.4),
}
_STOPPED = Shape(_CROSS, "#d55e00", 2.4)


def shape_of(kind: str) -> Shape:
    """Return how marks of a kind are drawn."""
    return _STOPPED if kind.endswith("_stopped") else _SHAPES[kind]


def marks_path(kind: str, places: Sequence[float], y: float) -> str:
    """Return the path of marks at these places; marks at one place are drawn once."""
    path = shape_of(kind).path
    return "".join(f"M{place:g} {y:g}{path}" for place in dict.fromkeys(places))


def bars(points: Sequence[tuple[float, float]], y: float) -> str:
    """Return the path of bars at places, as high as their counts; the highest fills the row."""
    most = max((count for _, count in points), default=1) or 1
    foot = y + HEIGHT / 2 - 1
    return "".join(
        f"M{place:g} {foot:g}v-{max((HEIGHT - 2) * count / most, 1):.1f}" for place, count in points
    )
