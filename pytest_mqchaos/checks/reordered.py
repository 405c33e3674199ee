"""Reordered: a message was worked on after a later one of its key.

```
published   m1 ──── m2                 same key, same queue
worked on        m2 ──── m1            reordered: m1 was overtaken
in between  m1 went back to its queue  excused, unless strict
```
What is known of the order of effects: `model/order.py`.
"""

from __future__ import annotations

from pytest_mqchaos.checks.causes import return_cause
from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.order import Later, Work, done_for, overtaker, together, went_back, works_by_key
from pytest_mqchaos.model.refinements import Ordered

__all__ = ["check"]

_MEND = "read a key's messages one at a time: a single active consumer, or a queue for each share of the keys"
_SHOW = "let the work show in a file, in its order: probe.effect(id), or mqchaos.effects(path)"


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
    for works in works_by_key(case).values():
        later = Later()
        for work in reversed(works):
            reason = None if not terms.strict and went_back(work) else _overtaken(case, work, later)
            if reason is not None:
                groups.add(reason, work.record.id)
            later.add(work)
    return groups.findings()


def _overtaken(case: Case, work: Work, later: Later) -> Reason | None:
    """Why a message came after one that was published later, None if it did not."""
    found = overtaker(case, work, later)
    if found is None:
        return None
    other, sure = found
    if sure:
        return _reason(case, work, other)
    return Reason(
        claim=f"may have been worked on after `{other.record.id}`: two files that were written at about the same time "
        "do not tell",
        cause="the order of two replicas that work at the same time cannot be seen",
        mend="let the replicas write to one file: mqchaos.effects(path)",
        unknown=True,
    )


def _reason(case: Case, work: Work, other: Work) -> Reason:
    key = case.order_keys[work.record.id]
    claim = f"was worked on after `{other.record.id}` of the same key {key!r}, which was published later"
    mine, others = done_for(work), done_for(other)
    if mine is None or others is None:
        return Reason(detail="by_consumer", claim=claim, cause="its order was not kept", mend=_MEND)
    if (mine.link, mine.consumer_tag) != (others.link, others.consumer_tag) and together(mine, others):
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
