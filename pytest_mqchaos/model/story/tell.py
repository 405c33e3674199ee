"""Telling a life: each event's sentence in the order of time, then what belongs on one line is merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pytest_mqchaos.model.events import (
    CensusTaken,
    ConsumerEnded,
    ConsumerStarted,
    Delivered,
    Effected,
    Event,
    FaultFired,
    LinkLost,
    Rested,
    SettleEnded,
)
from pytest_mqchaos.model.messages import Message
from pytest_mqchaos.model.printable import printable
from pytest_mqchaos.model.story.sentences import SENTENCES
from pytest_mqchaos.model.story.surroundings import SURROUNDINGS
from pytest_mqchaos.model.story.walk import Step, Teller, Walk, kind_of, names_in

__all__ = ["tell"]

_REAPED = 1_000_000_000
"""Nanoseconds within which the end of a process is noticed."""

_TELLERS: Mapping[type[Event], Teller] = {**SENTENCES, **SURROUNDINGS}


def tell(
    name: str,
    message: Message | None,
    events: Sequence[Event],
    faults: Sequence[FaultFired],
    start: int,
    *,
    census: CensusTaken | None = None,
    end: tuple[str, str] | None = None,
) -> tuple[Step, ...]:
    """Return the life of one message.

    `events` are those that may concern it, in the order of time; `faults` all strikes of the run; `start` the
    moment that counts as zero; `census` the last one, which knows of what went back and was never delivered again;
    `end` a sentence and its note about how it ended, where no strike ended it.
    """
    faults = [fault for fault in faults if fault.actor != "publisher"]
    events = _deaths_first(events, faults)
    walk = Walk(name, message, faults, start, census=census, let_go=end is not None)
    walk.deliveries_ahead = sum(isinstance(event, Delivered) for event in events)
    walk.returns_ahead = walk.deliveries_ahead + sum(isinstance(event, Rested) for event in events)
    shown = next((event for event in events if isinstance(event, Effected)), None)
    walk.unshown_until = shown.since if shown is not None and shown.in_order else None
    judged = next((event for event in reversed(events) if isinstance(event, SettleEnded)), None)
    for event in events:
        teller = _TELLERS.get(type(event))
        if teller is not None:
            teller(walk, event)
        if end is not None and event is judged:
            walk.say(event, *end)
    return _finished(walk)


def _deaths_first(events: Sequence[Event], faults: Sequence[FaultFired]) -> list[Event]:
    """Put the end of a process before the loss of the links that it took along, which is seen sooner."""
    ordered: list[Event] = []
    for event in events:
        place = len(ordered)
        if isinstance(event, ConsumerEnded) and event.by != "plugin":
            for i in range(len(ordered) - 1, -1, -1):
                other = ordered[i]
                if isinstance(other, ConsumerStarted | ConsumerEnded) and other.consumer == event.consumer:
                    break
                if _taken_along(other, event, faults):
                    place = i
        ordered.insert(place, event if place == len(ordered) else replace(event, at=ordered[place].at))
    return ordered


def _taken_along(lost: Event, ended: ConsumerEnded, faults: Sequence[FaultFired]) -> bool:
    """Whether the link was lost because this process ended, and not by the broker or a fault of its own."""
    if not isinstance(lost, LinkLost) or lost.clean or lost.by == "broker" or lost.link != ended.consumer:
        return False
    if lost.by == "client":
        return ended.at - lost.at <= _REAPED
    here = [fault for fault in faults if lost.link in names_in(fault.target)]
    nearest = min(here, key=lambda fault: abs(fault.at - lost.at), default=None)
    return nearest is not None and nearest.description.startswith("consumer_")


def _when_struck(steps: Sequence[Step], place: int, struck: float) -> Step:
    """Return a step at the time of the strike, as the finding and the fault tell it, unless that turned the order.

    Its own time is when somebody noticed: the link lost, or the process reaped.
    """
    before = steps[place - 1].seconds if place else struck
    after = steps[place + 1].seconds if place + 1 < len(steps) else struck
    return replace(steps[place], seconds=struck) if before <= struck <= after else steps[place]


def _finished(walk: Walk) -> tuple[Step, ...]:
    """Put in the strikes that no step speaks of, and merge what belongs on one line."""
    steps = list(walk.steps)
    for place, fault in walk.killed:
        steps[place] = _when_struck(steps, place, (fault.at - walk.start) / 1e9)
    for place, fault in reversed(walk.struck):
        if (fault.fault, fault.at) not in walk.told:
            where = printable(fault.target, 60) or "the run"
            text = f"{where} was struck" if fault.changed else f"{where} was struck, and felt nothing"
            margin = printable(fault.description, 120)
            seconds = (fault.at - walk.start) / 1e9
            steps.insert(place, Step(seconds, text, margin, kind_of(fault), printable(fault.target, 60)))
    for i in range(len(steps) - 1, 0, -1):
        first, second = steps[i - 1], steps[i]
        if first.text == "published" and second.text == "confirmed":
            steps[i - 1 : i + 1] = [
                replace(first, text="published, confirmed", note=first.note or second.note)
            ]
    return tuple(steps)
