"""Reordered: a message was worked on after a later one of its key.

```
published   m1 ──── m2                 same key, same queue
worked on        m2 ──── m1            reordered: m1 was overtaken
in between  m1 went back to its queue  excused, unless strict
```
An effect happened in the time from the look that did not find it to the one that did. Those of one source stand in its
order; of two sources (a file for each replica) the order is known where these times do not overlap.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_mqchaos.checks.causes import return_cause
from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Delivery, Record
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.refinements import Ordered

__all__ = ["check"]

_MEND = "read a key's messages one at a time: a single active consumer, or a queue for each share of the keys"
_SHOW = "let the work show in a file, in its order: probe.effect(id), or mqchaos.effects(path)"


@dataclass(frozen=True, slots=True)
class _Work:
    """The first effect of one message."""

    record: Record
    effect: e.Effected
    index: int
    since: int
    """It happened after this moment, and not after `effect.at`."""
    connection: int
    """Of the publisher: publications that run at the same time have one each, and no order among themselves."""

    @property
    def source(self) -> tuple[str, str | None] | None:
        """What tells the order of effects among themselves, None if nothing does."""
        return (self.effect.source, self.effect.consumer) if self.effect.in_order else None


@dataclass(slots=True)
class _Later:
    """Of the messages published later, which was worked on first, by source and the publisher's connection."""

    first: dict[tuple[tuple[str, str | None] | None, int], _Work] = field(default_factory=dict)

    def add(self, work: _Work) -> None:
        known = self.first.get((work.source, work.connection))
        if known is None or work.index < known.index:
            self.first[work.source, work.connection] = work

    def after(self, work: _Work) -> list[_Work]:
        """Those that were surely published after a message: of two connections, after it was confirmed."""
        confirmed = work.record.confirmed_index
        return [
            one
            for one in self.first.values()
            if one.connection == work.connection
            or (confirmed is not None and confirmed < one.record.publications[0].index)
        ]


def check(case: Case) -> list[Finding]:
    """Find messages that a later one of their key overtook. Nothing is looked at unless an order is promised."""
    terms = case.guarantee.terms(Ordered)
    if terms is None:
        return []
    groups = Groups(case, "reordered")
    if case.evidence != "effects" or not case.ordered_evidence:
        claim = "the order of the work cannot be seen: its effects are not written to a file"
        groups.add(Reason(claim=claim, mend=_SHOW, unknown=True))
        return groups.findings()
    for works in _by_key(case).values():
        later = _Later()
        for work in reversed(works):
            reason = None if not terms.strict and _went_back(work) else _overtaken(case, work, later)
            if reason is not None:
                groups.add(reason, work.record.id)
            later.add(work)
    return groups.findings()


def _by_key(case: Case) -> dict[tuple[str, str], list[_Work]]:
    """The work of each key and queue, in the order of publishing: two queues promise nothing to each other."""
    found: dict[tuple[str, str], list[_Work]] = {}
    published = [
        one for one in case.ledger.records.values() if one.publications and one.id in case.order_keys
    ]
    for record in sorted(published, key=lambda one: one.publications[0].index):
        deliveries = record.deliveries
        if record.effect_index is None or not deliveries:
            continue
        effect = case.events[record.effect_index]
        assert isinstance(effect, e.Effected)
        since = max(deliveries[0].at, effect.since or 0)
        sent = case.events[record.publications[0].index]
        connection = sent.connection if isinstance(sent, e.Published) else 0
        work = _Work(record, effect, record.effect_index, since, connection)
        queue = min(one.queue for one in deliveries)  # of a fan-out always the same
        found.setdefault((case.order_keys[record.id], queue), []).append(work)
    return found


def _went_back(work: _Work) -> bool:
    """Whether a message went back to a queue by any means before its first effect."""
    if any(one.index < work.index for one in work.record.republications):
        return True
    before = [one for one in work.record.deliveries if one.index < work.index]
    return len(before) > len({one.queue for one in before}) or any(
        (one.returned and (one.returned_index or 0) < work.index)
        or (one.settlement == "dropped" and (one.settled_index or 0) < work.index)
        for one in before
    )


def _overtaken(case: Case, work: _Work, later: _Later) -> Reason | None:
    """Why a message came after one that was published later, None if it did not."""
    doubt: _Work | None = None
    for other in later.after(work):
        if other.source == work.source and other.source is not None:
            if other.index < work.index:
                return _reason(case, work, other)
        elif other.effect.at <= work.since:
            return _reason(case, work, other)
        elif other.index < work.index and not _surely_before(case, work, other):
            doubt = other
    if doubt is None:
        return None
    return Reason(
        claim=f"may have been worked on after `{doubt.record.id}`: two files that were written at about the same time "
        "do not tell",
        cause="the order of two replicas that work at the same time cannot be seen",
        mend="let the replicas write to one file: mqchaos.effects(path)",
        unknown=True,
    )


def _surely_before(case: Case, work: _Work, other: _Work) -> bool:
    """Whether the consumer that did the work had ended when the other message was first delivered."""
    begun = other.record.deliveries[0].index
    who = work.effect.consumer
    ends = [index for index, event in case.ledger.surroundings.ends if event.consumer == who]
    starts = [index for index, event in case.ledger.surroundings.starts if event.consumer == who]
    ended = max((index for index in ends if index < begun), default=-1)
    return ended >= 0 and not any(ended < index < work.index for index in starts)


def _reason(case: Case, work: _Work, other: _Work) -> Reason:
    key = case.order_keys[work.record.id]
    claim = f"was worked on after `{other.record.id}` of the same key {key!r}, which was published later"
    mine, others = _hand(work), _hand(other)
    if mine is None or others is None:
        return Reason(detail="by_consumer", claim=claim, cause="its order was not kept", mend=_MEND)
    if (mine.link, mine.consumer_tag) != (others.link, others.consumer_tag) and _together(mine, others):
        names = " and ".join(sorted({mine.link, others.link}))
        cause = f"concurrency: {names} had messages of one key in hand at the same time"
        return Reason(detail="concurrency", claim=claim, cause=cause, mend=_MEND)
    back = next((one for one in work.record.deliveries if one.returned and one.index < work.index), None)
    if back is not None:
        why, fault = return_cause(case, back)
        return Reason(detail="gone_back", claim=claim, cause=why or "it went back to its queue", fault=fault,
                      mend="hold later messages of a key back until the one before is done")  # fmt: skip
    if others.index < mine.index:
        cause = f"`{mine.queue}` delivered the later one first"
        return Reason(detail="by_broker", claim=claim, cause=cause, mend="do without priorities")
    cause = f"{mine.link} had both, in their order, and did not keep it"
    return Reason(detail="by_consumer", claim=claim, cause=cause, mend="work in the order of the deliveries")


def _hand(work: _Work) -> Delivery | None:
    """The delivery that a message's first work was done for."""
    had = [one for one in work.record.deliveries if one.index < work.index]
    who = work.effect.consumer
    return next((one for one in reversed(had) if who in (None, one.link)), None)


def _together(one: Delivery, other: Delivery) -> bool:
    """Whether two deliveries were open at the same time."""
    return one.index < _over(other) and other.index < _over(one)


def _over(one: Delivery) -> float:
    ends = [index for index in (one.settled_index, one.returned_index) if index is not None]
    return min(ends, default=float("inf"))
