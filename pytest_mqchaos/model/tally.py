"""The tally of a run: which messages were published, confirmed, effected and dead-lettered, in one pass."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from pytest_mqchaos.model.events import (
    Claimed,
    Confirmed,
    Delivered,
    Effected,
    Event,
    Published,
    Rested,
    Returned,
)

__all__ = ["Tally", "tally"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Ids by what was seen of them, each in the order of the first time."""

    published: tuple[str, ...]
    unsent: tuple[str, ...]
    """What a producer said it sent, and nobody saw published."""
    confirmed: tuple[str, ...]
    """As its publisher was told. A return beats the confirm that follows it."""
    effected: tuple[str, ...]
    dead_lettered: tuple[str, ...]
    """At rest after a death, or seen in a queue that the test named as a dead-letter queue."""


def tally(events: Iterable[Event], dead_letters: Collection[str] = ()) -> Tally:
    """Return the tally of a run's events."""
    seen: dict[type[Event], dict[str, None]] = {
        kind: {} for kind in (Published, Claimed, Confirmed, Effected, Returned)
    }
    dead: dict[str, None] = {}
    for event in events:
        kind = type(event)
        ids = seen.get(kind)
        if ids is not None:
            message: str | None = getattr(event, "message", None)
            if message is not None and not (isinstance(event, Confirmed) and not event.passed):
                ids[message] = None
        elif isinstance(event, Rested):
            if event.message is not None and (event.death_reason is not None or event.queue in dead_letters):
                dead[event.message] = None
        elif isinstance(event, Delivered) and event.queue in dead_letters and event.passed and event.message:
            dead[event.message] = None
    returned = seen[Returned]
    return Tally(
        published=tuple(seen[Published]),
        unsent=tuple(name for name in seen[Claimed] if name not in seen[Published]),
        confirmed=tuple(name for name in seen[Confirmed] if name not in returned),
        effected=tuple(seen[Effected]),
        dead_lettered=tuple(dead),
    )
