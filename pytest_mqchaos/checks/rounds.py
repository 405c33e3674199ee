"""Messages that go round: given back by their consumer's own doing, and delivered again."""

from __future__ import annotations

from itertools import pairwise

from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Copy, Delivery

__all__ = ["GROWING", "comes_round", "given_back", "paces"]

_MOMENT = 1_000_000_000
"""Nanoseconds."""
GROWING = 3
"""So many returns of one message while nothing else moves are a way of going on, and no try or two."""


def given_back(one: Delivery) -> bool:
    """Whether its consumer gave it back by its own doing."""
    return one.returned in ("requeued", "recovered", "channel_closed") or (
        one.returned == "link_lost" and one.returned_by == "client"
    )


def paces(copy: Copy) -> list[int]:
    """Return the nanoseconds from each delivery that was given back to the next one."""
    return [after.at - before.at for before, after in pairwise(copy.deliveries) if given_back(before)]


def comes_round(case: Case, copy: Copy) -> bool:
    """Whether it is on its way round at the end: it came again just now, or, of many times, not long for its pace."""
    again = len(copy.deliveries) > 1 or bool(copy.record.republications)
    since = case.ledger.end.at - copy.deliveries[-1].at if copy.deliveries else 0
    before = paces(copy)
    long = 2 * max(before) if len(before) >= GROWING else 0
    return again and since < max(_MOMENT, long)
