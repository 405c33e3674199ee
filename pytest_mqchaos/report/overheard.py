"""What a consumer wrote around a strike, put by time between the steps of a message's life.

```
 0.431  delivered to worker
 0.4312        worker │ begins order 17
 0.4330        worker │ order 17 paid
 0.433  worker killed                    <- consumer_crash(after=ack(17))
```
Where lines go follows from their times alone, all of one clock. A consumer that buffers what it writes is heard later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["overheard"]

_MOMENTS = frozenset({"consumer_ended", "consumer_frozen", "fault_fired", "link_lost"})
"""Kinds of steps around which lines are told."""
_STEPS = 3
"""Most such steps of one life."""
_SIDE = 5
"""Most lines on either side of one."""
_LONGEST = 200

Record = Mapping[str, Any]
Line = tuple[float, str]


def overheard(steps: Sequence[Record], consumers: Sequence[Record], gap: int | None) -> list[dict[str, Any]]:
    """Return the lines of output to tell in a life, in order.

    Args:
        steps: the document's steps of that life.
        consumers: the document's consumers.
        gap: behind how many of the steps others are left out, None where they are all there.

    Each line has the `place` of the step that it stands before, and the `step` that it is told for.
    """
    said = {each["name"]: _lines(each) for each in consumers}
    told: dict[tuple[str, int], dict[str, Any]] = {}
    moments = [place for place, step in enumerate(steps) if step["kind"] in _MOMENTS][:_STEPS]
    for moment in moments:
        at = steps[moment]["at"]
        for name in _names(steps[moment]):
            lines = said.get(name, [])
            first = sum(line[0] <= at for line in lines)
            for number in range(max(first - _SIDE, 0), min(first + _SIDE, len(lines))):
                side = range(moment + 1) if number < first else range(moment + 1, len(steps) + 1)
                place = _place(steps, lines[number][0], side)
                if place != gap:
                    told.setdefault((name, number), _told(name, lines[number], place, moment))
    return sorted(told.values(), key=lambda line: (line["place"], line["at"]))


def _lines(consumer: Record) -> list[Line]:
    """Return what is known of a consumer's output, in the order written."""
    found: list[Line] = []
    for process in consumer["processes"]:
        found += [(line["at"], line["text"]) for line in process.get("output_near", ())]
        found += zip(process.get("output_at", ()), process["output"], strict=False)
    return [line for line in found if line[1]]


def _names(step: Record) -> Iterator[str]:
    yield from dict.fromkeys(name.strip() for name in step["where"].split(","))


def _place(steps: Sequence[Record], at: float, within: range) -> int:
    """Return the place of the step that a line stands before, on its own side of the moment it is told for."""
    place = sum(1 for step in steps if step["at"] < at)
    return min(max(place, within[0]), within[-1])


def _told(name: str, line: Line, place: int, moment: int) -> dict[str, Any]:
    text = line[1] if len(line[1]) <= _LONGEST else f"{line[1][: _LONGEST - 3]}..."
    return {"at": line[0], "consumer": name, "text": text, "place": place, "step": moment}
