"""The order of the work: what was done of each key, in the order of publishing, and what each work was done for.

An effect happened in the time from the look that did not find it to the one that did. Those of one source stand in its
order; of two sources (a file for each replica) the order is known where these times do not overlap.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Delivery, Record
from pytest_mqchaos.model.names import base_name

__all__ = ["Later", "Work", "done_for", "overtaker", "together", "went_back", "works_by_key"]


_Route = tuple[str, str, str]
"""The consumer that published a message again, the exchange, the routing key."""


@dataclass(frozen=True, slots=True)
class Work:
    """The first effect of one message."""

    record: Record
    effect: e.Effected
    index: int
    since: int
    """It happened after this moment, and not after `effect.at`."""
    connection: int
    """Of the publisher: publications that run at the same time have one each, and no order among themselves."""
    handed_on: frozenset[_Route] = frozenset()
    """Ways by which each message of its key was published again before its work: from stage to stage."""

    @property
    def source(self) -> tuple[str, str | None] | None:
        """What tells the order of effects among themselves, None if nothing does."""
        return (self.effect.source, self.effect.consumer) if self.effect.in_order else None

    def done_after(self, other: Work) -> bool:
        """Whether this was surely done after the other."""
        if self.source == other.source and self.source is not None:
            return other.index < self.index
        return other.effect.at <= self.since


@dataclass(slots=True)
class Later:
    """Of the messages published later, which was worked on first, by source and the publisher's connection."""

    first: dict[tuple[tuple[str, str | None] | None, int], Work] = field(default_factory=dict)

    def add(self, work: Work) -> None:
        """Take in the one published before all that are here."""
        known = self.first.get((work.source, work.connection))
        if known is None or work.index < known.index:
            self.first[work.source, work.connection] = work

    def after(self, work: Work) -> list[Work]:
        """Those that were surely published after a message: of two connections, after it was confirmed."""
        confirmed = work.record.confirmed_index
        return [
            one
            for one in self.first.values()
            if one.connection == work.connection or (confirmed is not None and confirmed < _place(one.record))
        ]


def overtaker(case: Case, work: Work, later: Later) -> tuple[Work, bool] | None:
    """Return the later message that was worked on before one, and whether that is sure; None if none was.

    Of several it is the one that was worked on first, so that all who tell of it name the same. One that surely
    was before comes before any that may have been.
    """
    doubt: Work | None = None
    for other in sorted(later.after(work), key=lambda one: one.index):
        if work.done_after(other):
            return other, True
        if doubt is None and other.index < work.index and not _surely_before(case, work, other):
            doubt = other
    return None if doubt is None else (doubt, False)


def _surely_before(case: Case, work: Work, other: Work) -> bool:
    """Whether the consumer that did the work had ended when the other message was first delivered."""
    begun = other.record.deliveries[0].index
    who = work.effect.consumer
    ends = [index for index, event in case.ledger.surroundings.ends if event.consumer == who]
    starts = [index for index, event in case.ledger.surroundings.starts if event.consumer == who]
    ended = max((index for index in ends if index < begun), default=-1)
    return ended >= 0 and not any(ended < index < work.index for index in starts)


def works_by_key(case: Case) -> dict[tuple[str, str], list[Work]]:
    """The work of each key and queue, in the order of publishing: two queues promise nothing to each other."""
    found: dict[tuple[str, str], list[Work]] = {}
    published = [
        one for one in case.ledger.records.values() if one.publications and one.id in case.order_keys
    ]
    for record in sorted(published, key=_place):
        deliveries = record.deliveries
        if record.effect_index is None or not deliveries:
            continue
        effect = case.events[record.effect_index]
        assert isinstance(effect, e.Effected)
        since = max(deliveries[0].at, effect.since or 0)
        sent = case.events[_place(record)]
        connection = sent.connection if isinstance(sent, e.Published) else 0
        work = Work(record, effect, record.effect_index, since, connection)
        queue = min(one.queue for one in deliveries)  # of a fan-out always the same
        found.setdefault((case.order_keys[record.id], queue), []).append(work)
    return {key: _staged(works) for key, works in found.items()}


def _place(record: Record) -> int:
    """The number of the event by which a message has its place in the order of publishing."""
    return (record.sent or record.publications[0]).index


def _staged(works: list[Work]) -> list[Work]:
    """Note which ways all messages of a key took: what every one goes through is no way back."""
    common = frozenset.intersection(*map(_routes, works))
    return [replace(one, handed_on=common) for one in works] if common else works


def _routes(work: Work) -> frozenset[_Route]:
    return frozenset(
        (base_name(one.link), one.exchange, one.routing_key)
        for one in work.record.republications
        if one.index < work.index
    )


def went_back(work: Work) -> bool:
    """Whether a message went back to a queue by any means before its first effect.

    To be handed on to the next stage, as all messages of its key are, is no way back.
    """
    if _routes(work) - work.handed_on:
        return True
    before = [one for one in work.record.deliveries if one.index < work.index]
    return len(before) > len({one.queue for one in before}) or any(
        (one.returned and (one.returned_index or 0) < work.index)
        or (one.settlement == "dropped" and (one.settled_index or 0) < work.index)
        for one in before
    )


def done_for(work: Work) -> Delivery | None:
    """The delivery that a message's first work was done for."""
    had = [one for one in work.record.deliveries if one.index < work.index]
    who = work.effect.consumer
    return next((one for one in reversed(had) if who in (None, one.link)), None)


def together(one: Delivery, other: Delivery) -> bool:
    """Whether two deliveries were open at the same time."""
    return one.index < _over(other) and other.index < _over(one)


def _over(one: Delivery) -> float:
    ends = [index for index in (one.settled_index, one.returned_index) if index is not None]
    return min(ends, default=float("inf"))
