"""What came again: how long after one attempt the next began, and how soon others had what a dead consumer held.

An attempt ends with its settlement or, without one, when its link, channel or process was lost. The pause after it is
what a retry policy is about; the document has the policy beside it where one was promised.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.copies import Copy, Delivery, Record
from pytest_mqchaos.model.retries import Policy
from pytest_mqchaos.model.surroundings import Surroundings
from pytest_mqchaos.report.figures.waits import percentile

__all__ = ["Handing", "handings", "pauses", "takeovers"]


def pauses(records: Iterable[Record], policy: Policy | None) -> list[dict[str, Any]]:
    """Return for each number of attempt how long it came after the one before, the second attempt first."""
    found: dict[int, list[float]] = {}
    for record in records:
        for number, (before, after) in enumerate(pairwise(_attempts(record)), 2):
            found.setdefault(number, []).append(max(after.at - _over(before), 0) / 1e9)
    rows = []
    for number in sorted(found):
        due = (None, None) if policy is None else [round(each, 6) for each in policy.delay(number - 1)]
        rows.append({"attempt": number, **_times(found[number]), "due_after": due[0], "due_until": due[1]})
    return rows


@dataclass(frozen=True, slots=True)
class Handing:
    """One message that a dead process held, and who had it next after how many seconds, if anybody."""

    death: e.ConsumerEnded
    owner: tuple[str, int]
    message: str
    seconds: float | None
    by: str


def takeovers(records: Iterable[Record], around: Surroundings, start: int) -> list[dict[str, Any]]:
    """Return for each process that died with messages in hand how soon others had them.

    Args:
        records: of the workload's messages.
        around: what tells when processes ended.
        start: the moment that counts as zero, in nanoseconds.
    """
    held: dict[tuple[str, int], list[Handing]] = {}
    for each in handings(records, around):
        held.setdefault(each.owner, []).append(each)
    rows = []
    for times in held.values():
        event = times[0].death
        known = [each.seconds for each in times if each.seconds is not None]
        rows.append(
            {
                "consumer": event.consumer,
                "at": round((event.at - start) / 1e9, 6),
                "held": len(times),
                **_times(known),
            }
        )
    return rows


def handings(records: Iterable[Record], around: Surroundings, until: float = math.inf) -> Iterator[Handing]:
    """Yield what dead processes left to others, as `takeovers` does; what ended after an event's number is left out."""
    for record in records:
        for copy in record.copies:
            yield from _handed_on(copy, around, until)


def _attempts(record: Record) -> list[Delivery]:
    """The deliveries that reached a consumer: what died on its way was no attempt."""
    return [each for each in record.deliveries if each.passed]


def _handed_on(copy: Copy, around: Surroundings, until: float) -> Iterator[Handing]:
    """Yield whose death left this copy to others, and how many seconds later one of them had it, if one did."""
    for place, one in enumerate(copy.deliveries):
        owner = (one.link, one.incarnation)
        death = around.end_of(*owner)
        if death is None or death[0] > until:
            continue
        if one.auto_ack or one.settled_passed or not _in_hand(one, death[0]):
            continue
        later = next((d for d in copy.deliveries[place + 1 :] if (d.link, d.incarnation) != owner), None)
        seconds = None if later is None else max(later.at - death[1].at, 0) / 1e9
        yield Handing(death[1], owner, copy.record.id, seconds, "" if later is None else later.link)


def _in_hand(one: Delivery, death: int) -> bool:
    """Whether a delivery was still in hand when the process ended: its end may be seen after that of its link."""
    if one.index > death:
        return False
    return one.returned_index is None or one.returned_index > death or one.returned == "link_lost"


def _over(one: Delivery) -> int:
    """When an attempt was over."""
    return one.settled_at or one.returned_at or one.at


def _times(values: list[float]) -> dict[str, Any]:
    ordered = sorted(values)
    if not ordered:
        return {"messages": 0, "shortest": None, "p50": None, "longest": None}
    return {
        "messages": len(ordered),
        "shortest": round(ordered[0], 6),
        "p50": round(percentile(ordered, 0.5), 6),
        "longest": round(ordered[-1], 6),
    }
