"""What the broker returned to our publisher since no queue took it: an error if it was all, else a note.

A message that was returned is definitely failed, so it is never lost; but a test of which half went nowhere should
not look as if all of it had been worked on. What a producer of the application did with a return is judged for itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pytest_mqchaos.model.copies import Record
from pytest_mqchaos.model.events import Event, Returned

__all__ = ["none_taken", "returned_note"]

_SHOWN = 3
_MEND = "declare the queue, or bind it with that key, or start the consumer that does so before mqchaos.publish(...)"


def none_taken(records: Iterable[Record], events: Iterable[Event]) -> str:
    """Return in one line that nothing was confirmed since messages were returned; empty if none was."""
    told = _told(records, events)
    if not told:
        return ""
    count, of, where = told
    which = f"all {of} messages were returned" if count == of > 1 else _counted(count, of)
    return f"nothing was confirmed: {which}: no queue took {_them(count)} ({where}): {_MEND}"


def returned_note(records: Iterable[Record], events: Iterable[Event]) -> tuple[str, ...]:
    """Return a line about the messages that were returned, none if there are none."""
    told = _told(records, events)
    if not told:
        return ()
    count, of, where = told
    return (f"{_counted(count, of)}: no queue took {_them(count)} ({where})",)


def _counted(count: int, of: int) -> str:
    return (
        f"{count} of {of} {'message' if of == 1 else 'messages'} {'was' if count == 1 else 'were'} returned"
    )


def _them(count: int) -> str:
    return "it" if count == 1 else "them"


def _told(records: Iterable[Record], events: Iterable[Event]) -> tuple[int, int, str] | None:
    """How many messages were returned, of how many that were sent, and where they were sent to, in words."""
    sent = [one for one in records if one.publications and not one.message.producer]
    back = {one.id: one for one in sent if one.outcome == "returned"}
    if not back:
        return None
    said = {event.message: event for event in events if isinstance(event, Returned)}
    places = Counter(_place(one, said.get(name)) for name, one in back.items())
    shown = [place for place, _ in places.most_common(_SHOWN)]
    more = f"; and {len(places) - _SHOWN} more places" if len(places) > _SHOWN else ""
    return len(back), len(sent), "; ".join(shown) + more


def _place(record: Record, event: Returned | None) -> str:
    sent = record.publications[-1]
    words = "returned" if event is None else f"{event.code} {event.text}".strip()
    if not sent.exchange:
        return f"{words}: queue {sent.routing_key!r}"
    return f"{words}: exchange {sent.exchange!r}, routing key {sent.routing_key!r}"
