"""Telling a life: each event's sentence in the order of time, then what belongs on one line is merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pytest_mqchaos.model.events import Delivered, Event, FaultFired, Rested
from pytest_mqchaos.model.messages import Message
from pytest_mqchaos.model.printable import printable
from pytest_mqchaos.model.story.sentences import SENTENCES
from pytest_mqchaos.model.story.surroundings import SURROUNDINGS
from pytest_mqchaos.model.story.walk import Step, Teller, Walk

__all__ = ["tell"]

_TELLERS: Mapping[type[Event], Teller] = {**SENTENCES, **SURROUNDINGS}


def tell(
    name: str, message: Message | None, events: Sequence[Event], faults: Sequence[FaultFired], start: int
) -> tuple[Step, ...]:
    """Return the life of one message.

    `events` are those that may concern it, in the order of time; `faults` all strikes of the run; `start` the
    moment that counts as zero.
    """
    walk = Walk(name, message, faults, start)
    walk.deliveries_ahead = sum(isinstance(event, Delivered) for event in events)
    walk.returns_ahead = walk.deliveries_ahead + sum(isinstance(event, Rested) for event in events)
    for event in events:
        teller = _TELLERS.get(type(event))
        if teller is not None:
            teller(walk, event)
    return _finished(walk)


def _finished(walk: Walk) -> tuple[Step, ...]:
    """Put in the strikes that no step speaks of, and merge what belongs on one line."""
    steps = list(walk.steps)
    for place, fault in reversed(walk.struck):
        if fault.fault not in walk.told:
            where = printable(fault.target, 60) or "the run"
            text = f"{where} was struck" if fault.changed else f"{where} was struck, and felt nothing"
            steps.insert(place, Step((fault.at - walk.start) / 1e9, text, printable(fault.description, 120)))
    for i in range(len(steps) - 1, 0, -1):
        first, second = steps[i - 1], steps[i]
        if first.text == "published" and second.text == "confirmed":
            steps[i - 1 : i + 1] = [
                replace(first, text="published, confirmed", note=first.note or second.note)
            ]
    return tuple(steps)
