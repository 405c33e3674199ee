"""A strike from near: the tenth of a second before and after one that a finding names, as a timeline of its own.

On an axis of some seconds the ack, the strike and the end of the process stand within a few pixels. What is drawn is
the same run, cut to that window.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_mqchaos.report.html.drawing import Drawing
from pytest_mqchaos.report.html.timeline import timeline
from pytest_mqchaos.report.states import is_open

__all__ = ["AROUND", "window", "zooms"]

AROUND = 0.1
"""Seconds before and after the strike."""
_MOST = 2
"""Most strikes that are drawn."""
_SHARE = 0.3
"""From this share of the whole axis on the window would show nothing new."""

Record = Mapping[str, Any]
Zoom = tuple[int, float, Record, Drawing]


def zooms(run: Record) -> list[Zoom]:
    """Return the strikes that findings name: number of the fault, moment, the run in the window, its drawing.

    Where marks were counted in steps there is none: nothing is known of so short a time.
    """
    whole = run["timeline"]
    if whole is None or any(each["step"] for each in whole["marks"]):
        return []
    shown = whole["until"] - whole["from"] - sum(until - since for since, until in whole["quiet"])
    if _SHARE * shown < 2 * AROUND:
        return []
    found: list[Zoom] = []
    for number, at in dict.fromkeys(_named(run)):
        near = window(run, at - AROUND, at + AROUND)
        drawing = timeline(near)
        if drawing is not None:
            drawing.left_out = []
            found.append((number, at, near, drawing))
    return found[:_MOST]


def _named(run: Record) -> Iterator[tuple[int, float]]:
    """Yield number and moment of the strike behind each finding: the one at a message of its own, else the first."""
    findings = [each for each in run["findings"] if each["violation"] and each["fault"] is not None]
    for finding in sorted(findings, key=lambda each: not is_open(each)):
        if finding["fault"] >= len(run["faults"]):  # a document that is not ours may say so
            continue
        struck = run["faults"][finding["fault"]]["struck"]
        own = [each for each in struck if each["message"] in finding["messages"]]
        for strike in (own or struck)[:1]:
            yield finding["fault"] + 1, strike["at"]


def window(run: Record, first: float, last: float) -> Record:
    """Return a run as a timeline of this window needs it."""
    whole = run["timeline"]
    marks = [
        {**each, "points": points, "total": len(points)}
        for each in whole["marks"]
        if (points := [point for point in each["points"] if first <= point[0] <= last])
    ]
    judged = whole["judged"] if whole["judged"] is not None and first <= whole["judged"] <= last else None
    facts = {"from": first, "until": last, "quiet": [], "marks": marks, "judged": judged, "lanes_left_out": 0}
    crew = [_consumer(each, first, last) for each in run["consumers"]]
    lanes = [name for name in whole["lanes"][1:] if _is_seen(name, crew, marks)]
    facts |= {"lanes": [whole["lanes"][0], *lanes], "depth": _depth(whole["depth"], first, last)}
    faults = [
        {
            **fault,
            "struck": [each for each in fault["struck"] if _overlaps(each["at"], _end(each), first, last)],
        }
        for fault in run["faults"]
    ]
    return {**run, "timeline": {**whole, **facts}, "faults": faults, "consumers": crew}


def _is_seen(name: str, crew: Sequence[Record], marks: Sequence[Record]) -> bool:
    ran = any(each["name"] == name and (each["processes"] or each["connections"]) for each in crew)
    return ran or any(each["lane"] == name for each in marks)


def _end(strike: Record) -> float:
    until = strike["until"]
    return float(strike["at"] if until is None else until)


def _overlaps(since: float, until: float | None, first: float, last: float) -> bool:
    return since <= last and (until is None or until >= first)


def _consumer(consumer: Record, first: float, last: float) -> Record:
    """Return a consumer with what it was in the window; what went on after it has no end there."""
    cut: dict[str, Any] = {
        kind: [
            {**each, "until": None if each["until"] is not None and each["until"] > last else each["until"]}
            for each in consumer[kind]
            if _overlaps(each["from"], each["until"], first, last)
        ]
        for kind in ("processes", "connections", "subscriptions")
    }
    frozen = [each for each in consumer["frozen_at"] if _overlaps(each[0], each[1], first, last)]
    return {**consumer, **cut, "frozen_at": frozen}


def _depth(depth: Record, first: float, last: float) -> Record:
    """Return how many waited and were in hand, from the last known before the window on."""
    before = [point for point in depth["points"] if point[0] < first][-1:]
    points = [[first, *point[1:]] for point in before]
    points += [point for point in depth["points"] if first <= point[0] <= last]
    return {
        "points": points,
        "most_waiting": max((point[1] for point in points), default=0),
        "most_in_hand": max((point[2] for point in points), default=0),
    }
