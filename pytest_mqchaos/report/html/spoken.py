"""A timeline in one sentence, for who hears the page or prints it small."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_mqchaos.model.sequences import plural
from pytest_mqchaos.report.words import number, seconds

__all__ = ["spoken"]

_WORDS = {
    "published": "published",
    "delivered": "delivered",
    "acked": "acknowledged",
    "given_back": "given back",
    "rejected": "rejected",
    "effected": "worked on",
    "refused": "refused",
}
_STRIKES = 4

Record = Mapping[str, Any]


def spoken(run: Record) -> str:
    """Return what the timeline of a run shows: how many of what on each lane, and which faults struck when."""
    facts = run["timeline"]
    parts = list(_lanes(facts["lanes"], facts["marks"]))
    struck = [(each["at"], fault["description"], each) for fault in run["faults"] for each in fault["struck"]]
    struck.sort(key=lambda one: one[0])
    parts += [
        f"{name} struck {strike['target'] or 'nobody'} at {seconds(at)}"
        for at, name, strike in struck[:_STRIKES]
    ]
    if len(struck) > _STRIKES:
        parts.append(f"{number(len(struck) - _STRIKES)} more strikes")
    if facts["judged"] is not None:
        parts.append(f"judged at {seconds(facts['judged'])}")
    return f"From {seconds(facts['from'])} to {seconds(facts['until'])}: {'; '.join(parts)}."


def _lanes(lanes: Sequence[str], marks: Sequence[Record]) -> Iterator[str]:
    for lane in lanes:
        totals = {each["kind"]: each["total"] for each in marks if each["lane"] == lane}
        told = list(_counted(totals))
        if lost := totals.get("link_lost"):
            told.append(f"{plural(lost, 'link')} lost")
        if told:
            yield f"{lane}: {', '.join(told)}"


def _counted(totals: Mapping[str, int]) -> Iterator[str]:
    """Yield how many of what came through and, as on the drawing, how many more were stopped on their way."""
    for kind, words in _WORDS.items():
        total, stopped = totals.get(kind, 0), totals.get(f"{kind}_stopped", 0)
        if total or stopped:
            yield f"{number(total)} {words}{f' and {number(stopped)} stopped on the way' if stopped else ''}"
