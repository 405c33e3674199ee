"""What no queue took: messages that the broker gave back to who published them as mandatory, and what came of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Publication, Record
from pytest_mqchaos.model.events import Returned

__all__ = ["returns"]

_PLACES = 20
_TOLD = 10


def returns(case: Case, start: int) -> dict[str, Any] | None:
    """Return the figure for the document, None if nothing was returned.

    A return beats the confirm that follows it: a message counts as taken later if more publications of it were
    confirmed than returned.

    Args:
        case: the run.
        start: the moment that counts as zero, in nanoseconds.
    """
    records = case.ledger.records
    events = [
        (n, each)
        for n, each in enumerate(case.events)
        if isinstance(each, Returned) and each.message in records
    ]
    if not events:
        return None
    first: dict[str, Returned] = {}
    places: dict[tuple[Any, ...], dict[str, Any]] = {}
    for index, event in events:
        first.setdefault(event.message, event)
        _count(places, records[event.message], event, index, start)
    told = [_told(records[name], event, start) for name, event in first.items()]
    told.sort(key=lambda row: (row["taken"], row["number"]))
    return {
        "returned": len(events),
        "messages": len(first),
        "of": sum(bool(record.passed) for record in records.values()),
        "mandatory": sum(record.message.mandatory for record in records.values() if record.passed),
        "taken": sum(row["taken"] for row in told),
        "places": list(places.values())[:_PLACES],
        "places_left_out": max(len(places) - _PLACES, 0),
        "told": told[:_TOLD],
        "left_out": max(len(told) - _TOLD, 0),
    }


def _count(
    places: dict[tuple[Any, ...], dict[str, Any]], record: Record, event: Returned, index: int, start: int
) -> None:
    sent = _sent(record, index)
    where = ("", "") if sent is None else (sent.exchange, sent.routing_key)
    at = round((event.at - start) / 1e9, 6)
    row = places.setdefault(
        (*where, event.code, event.text),
        {
            "exchange": where[0],
            "routing_key": where[1],
            "code": event.code,
            "text": event.text,
            "returned": 0,
            "first": at,
        },
    )
    row["returned"] += 1
    row["last"] = at


def _sent(record: Record, index: int) -> Publication | None:
    """Return the publication that a return answers: the last one before it."""
    return next((one for one in reversed(record.publications) if one.index < index), None)


def _told(record: Record, event: Returned, start: int) -> Mapping[str, Any]:
    return {
        "message": record.id,
        "number": record.message.number,
        "at": round((event.at - start) / 1e9, 6),
        "returned": record.returned,
        "taken": record.ok,
        "effects": record.effects,
    }
