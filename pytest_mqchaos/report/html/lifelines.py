"""The lives of messages as lines through the rows of a timeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_mqchaos.model.printable import cut
from pytest_mqchaos.report.html.drawing import Label, LifeLine
from pytest_mqchaos.report.html.scale import Scale

__all__ = ["BOLD", "LIVES", "POINTS", "Rows", "life_lines"]

LIVES = 40
"""Most lives that are drawn."""

BOLD = 4
"""Of them, those that are drawn with their steps and names; the others are thin lines behind them."""

POINTS = 40
"""Most steps of a life that are drawn: one that goes round and round would be a blot."""

Record = Mapping[str, Any]
Rows = Mapping[tuple[str, str], float]
"""The middle of each row, by lane and kind of mark."""
Points = list[tuple[float, float]]


def life_lines(run: Record, rows: Rows, scale: Scale) -> list[LifeLine]:
    """Return the lines of lives, one of each finding first; those have their names beside their ends."""
    lines: list[LifeLine] = []
    for place in _chosen(run)[:LIVES]:
        life = run["lives"][place]
        points = _points(life, rows, scale)
        if points:
            lines.append(_line(place, life, points, lines[:BOLD], scale, faint=len(lines) >= BOLD))
    return lines


def _chosen(run: Record) -> list[int]:
    """Return the places of the lives in the order in which they are to be drawn."""
    places = {life["id"]: place for place, life in enumerate(run["lives"])}
    telling = [finding["messages"] for finding in run["findings"] if finding["violation"]]
    firsts = [next((places[name] for name in names if name in places), None) for names in telling]
    return list(dict.fromkeys([*(place for place in firsts if place is not None), *places.values()]))


def _line(
    place: int, life: Record, points: Points, others: Sequence[LifeLine], scale: Scale, *, faint: bool
) -> LifeLine:
    x, y = points[:POINTS][-1]
    anchor = "end" if x > scale.right - 60 else "start"
    x, y = x + (-8 if anchor == "end" else 8), y - 5
    while any(abs(other.label.x - x) < 40 and abs(other.label.y - y) < 14 for other in others):
        y += 14
    name = f"#{life['number']}" if life["number"] else cut(life["id"], 20)
    label = Label(x, round(y, 1), name, anchor=anchor)
    title = f"{name}: the life of {life['id']}"
    return LifeLine(place, name, points[:POINTS], label, title, cut=len(points) > POINTS, faint=faint)


def _points(life: Record, rows: Rows, scale: Scale) -> Points:
    points = []
    for step in life["events"]:
        row = rows.get(_row(step))
        if row is not None and scale.first <= step["at"] <= scale.last:
            points.append((scale(step["at"]), row))
    return points[: POINTS + 1]


def _row(step: Record) -> tuple[str, str]:
    """Return the row that a step of a life passes through; a step that has none passes through none that is there."""
    kind, where = step["kind"], step["where"]
    if kind in ("published", "returned"):
        return where or "publisher", "published"
    if kind == "rested":
        return "queues", "rested"
    if kind in ("nacked", "rejected"):
        return where, "given_back" if step["text"].startswith("requeued") else "rejected"
    if kind in ("link_lost", "channel_closed", "consumer_ended", "consumer_cancelled"):
        return where, "strip"
    return where, kind if kind in ("delivered", "acked", "effected") else ""
