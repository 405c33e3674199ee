"""Who took over what a dead consumer held, and how soon, under a promise of it.

Which message was not taken over in time the check has said: one that took longer and was not named was kept away by
a fault that lasted, and is excused.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.refinements import Failover
from pytest_mqchaos.report.figures.pauses import Handing, handings

__all__ = ["failover"]

_TOLD = 10
_ROWS = 20
_WHY = {"slow": "slow", "never": "never", "": "unsure"}


def failover(case: Case, findings: Iterable[Finding], start: int) -> dict[str, Any] | None:
    """Return the figure for the document, None if no failover was promised.

    Args:
        case: the run.
        findings: what the checks found; those of the kind `failover_miss` count.
        start: the moment that counts as zero, in nanoseconds.
    """
    terms = case.guarantee.terms(Failover)
    if terms is None:
        return None
    until = case.ledger.end.index
    found = list(handings(case.ledger.records.values(), case.ledger.surroundings, until))
    said = [
        (name, _WHY.get(each.detail, each.detail))
        for each in findings
        if each.kind == "failover_miss"
        for name in each.messages
    ]
    rows = list(_rows(found, start))
    times = [each.seconds for each in found if each.seconds is not None]
    return {
        "seconds": terms.seconds,
        "held": len(found),
        "taken_over": len(times),
        "longest": round(max(times), 6) if times else None,
        **{why: sum(one == why for _, one in said) for why in _WHY.values()},
        "rows": rows[:_ROWS],
        "rows_left_out": max(len(rows) - _ROWS, 0),
        "told": [_told(case, found, *each) for each in said[:_TOLD]],
        "left_out": max(len(said) - _TOLD, 0),
    }


def _rows(found: Iterable[Handing], start: int) -> Iterable[dict[str, Any]]:
    """Yield for each death and each who took something over how many it had, and when; first who had it soonest."""
    groups: dict[tuple[e.ConsumerEnded, str], list[float]] = {}
    for each in found:
        times = groups.setdefault((each.death, each.by), [])
        times += [] if each.seconds is None else [each.seconds]
    counts: dict[tuple[e.ConsumerEnded, str], int] = {}
    for each in found:
        counts[each.death, each.by] = counts.get((each.death, each.by), 0) + 1
    for (death, by), times in sorted(
        groups.items(), key=lambda group: (group[0][0].at, min(group[1], default=float("inf")))
    ):
        yield {
            "consumer": death.consumer,
            "at": round((death.at - start) / 1e9, 6),
            "by": by,
            "messages": counts[death, by],
            "soonest": round(min(times), 6) if times else None,
            "latest": round(max(times), 6) if times else None,
        }


def _told(case: Case, found: Iterable[Handing], name: str, why: str) -> dict[str, Any]:
    message = case.messages.get(name)
    mine = [each for each in found if each.message == name]
    slowest = max(mine, key=lambda each: float("inf") if each.seconds is None else each.seconds, default=None)
    return {
        "message": name,
        "number": 0 if message is None else message.number,
        "why": why,
        "consumer": "" if slowest is None else slowest.death.consumer,
        "by": "" if slowest is None else slowest.by,
        "took": None if slowest is None or slowest.seconds is None else round(slowest.seconds, 6),
    }
