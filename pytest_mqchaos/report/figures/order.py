"""The order of the work, under a promise of one: which keys were out of it, at which messages, and on whose doing.

```
published   m1  m2  m3        the workload's order
delivered   m1  m3  m2        the broker's, by the delivery that the first work was done for
worked on   m3  m1  m2        the consumer's, by first effects
```
Which message was overtaken the check has said; what went back to its queue first and was overtaken then is excused,
unless the promise is strict.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.order import Later, Work, done_for, overtaker, together, went_back, works_by_key
from pytest_mqchaos.model.refinements import Ordered

__all__ = ["order"]

_KEYS = 10
"""Most keys that are told one by one."""
_PLACES = 16
"""Most messages of a key whose places are told: those around the first that was overtaken."""
_OVERTAKINGS = 10
_STATES = ("overtaken", "unsure", "excused")


@dataclass(frozen=True, slots=True)
class _Overtaking:
    """One message, and the later one of its key that was worked on before it."""

    work: Work
    by: Work
    state: str
    why: str


def order(case: Case, findings: Iterable[Finding]) -> dict[str, Any] | None:
    """Return the figure of the order for the document, None if no order was promised.

    Args:
        case: the run.
        findings: what the checks found; those of the kind `reordered` count.
    """
    terms = case.guarantee.terms(Ordered)
    if terms is None:
        return None
    seen = case.evidence == "effects" and case.ordered_evidence
    works = works_by_key(case) if seen else {}
    said = {name: each for each in findings if each.kind == "reordered" for name in each.messages}
    rows = [
        _key(key, queue, each, _overtakings(case, each, said, strict=terms.strict))
        for (key, queue), each in works.items()
    ]
    out = [row for row in rows if any(row[state] for state in _STATES)]
    return {
        "strict": terms.strict,
        "seen": seen,
        "keys": len(rows),
        "messages": sum(row["messages"] for row in rows),
        "out_of_order": len([row for row in rows if row["overtaken"]]),
        **{state: sum(row[state] for row in rows) for state in _STATES},
        "told": sorted(out, key=lambda row: [-row[state] for state in _STATES])[:_KEYS],
        "left_out": max(len(out) - _KEYS, 0),
    }


def _overtakings(
    case: Case, works: Sequence[Work], said: dict[str, Finding], *, strict: bool
) -> list[_Overtaking]:
    """Return what was overtaken of a key, in the order of publishing."""
    found: list[_Overtaking] = []
    later = Later()
    for work in reversed(works):
        finding = said.get(work.record.id)
        if finding is not None or (not strict and went_back(work)):
            by = overtaker(case, work, later)
            if by is not None and (by[1] or finding is not None):  # what is in doubt needs no excuse
                state = "excused" if finding is None else "overtaken" if by[1] else "unsure"
                found.append(_Overtaking(work, by[0], state, finding.detail if finding else ""))
        later.add(work)
    return found[::-1]


def _key(key: str, queue: str, works: Sequence[Work], found: Sequence[_Overtaking]) -> dict[str, Any]:
    states = {each.work.record.id: each.state for each in found}
    places: list[dict[str, Any]] = []
    before = 0
    if found:
        worst = min(found, key=lambda each: _STATES.index(each.state))
        before = max(min(works.index(worst.work) - 2, len(works) - _PLACES), 0)
        places = _places(works, before, states)
    told = sorted(found, key=lambda each: _STATES.index(each.state))[:_OVERTAKINGS]
    return {
        "key": key,
        "queue": queue,
        "messages": len(works),
        **{state: sum(each.state == state for each in found) for state in _STATES},
        "places": places,
        "before": before,
        "after": len(works) - before - len(places),
        "overtakings": [_told(each) for each in told],
        "left_out": len(found) - len(told),
    }


def _places(works: Sequence[Work], before: int, states: dict[str, str]) -> list[dict[str, Any]]:
    """Return the places of the messages from one on: in the order published, delivered and worked on."""
    hands = {each.record.id: done_for(each) or each.record.deliveries[0] for each in works}
    by_hand = sorted(works, key=lambda one: hands[one.record.id].index)
    delivered = {each.record.id: place for place, each in enumerate(by_hand, 1)}
    by_work = sorted(works, key=lambda one: one.index)
    worked = {each.record.id: place for place, each in enumerate(by_work, 1)}
    return [
        {
            "message": each.record.id,
            "number": each.record.message.number,
            "published": place,
            "delivered": delivered[each.record.id],
            "worked": worked[each.record.id],
            "consumer": hands[each.record.id].link,
            "state": states.get(each.record.id, "kept"),
        }
        for place, each in enumerate(works[before : before + _PLACES], before + 1)
    ]


def _told(each: _Overtaking) -> dict[str, Any]:
    work, by = each.work, each.by
    broker, consumer = _doing(work, by)
    mine, others = done_for(work), done_for(by)
    return {
        "message": work.record.id,
        "number": work.record.message.number,
        "by": by.record.id,
        "by_number": by.record.message.number,
        "state": each.state,
        "why": each.why,
        "broker": broker,
        "consumer": consumer,
        "consumers": sorted({one.link for one in (mine, others) if one is not None}),
        "late": round(max(work.effect.at - by.effect.at, 0) / 1e9, 6),
    }


def _doing(work: Work, by: Work) -> tuple[str, str]:
    """What the broker and what the consumer did with the order of two messages, each in a word."""
    mine, others = done_for(work), done_for(by)
    if mine is None or others is None:
        return "unknown", "unknown"
    kept = mine.index < others.index
    again = work.record.deliveries[0].index < others.index
    broker = "kept" if kept else "again" if again else "reversed"
    apart = (mine.link, mine.consumer_tag) != (others.link, others.consumer_tag)
    if apart and together(mine, others):
        return broker, "apart"
    return broker, "reversed" if kept else "kept"
