"""How soon the work was done, under a promise of it: how many messages came in time, and how near to the bound.

Which message was late the check has said. One that took longer and was not named met a fault in force, or the backlog
of one: the promise excuses it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Record
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.refinements import Within
from pytest_mqchaos.report.figures.waits import percentile

__all__ = ["within"]

_EDGES = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)
"""Upper edges of the bars, in parts of the bound; a last bar is open above."""
_TOLD = 10
_STATES = ("kept", "late", "unsure", "excused")


def within(case: Case, findings: Iterable[Finding]) -> dict[str, Any] | None:
    """Return the figure for the document, None if no bound was promised.

    Args:
        case: the run.
        findings: what the checks found; those of the kind `late` count.
    """
    terms = case.guarantee.terms(Within)
    if terms is None:
        return None
    said = {name: each for each in findings if each.kind == "late" for name in each.messages}
    rows = []
    for record in case.ledger.records.values() if case.evidence != "unknown" else ():
        took = _took(case, record) if record.good else None
        if took is not None:
            rows.append(_row(record, took, said.get(record.id), terms.seconds))
    waits = sorted(row["took"] for row in rows)
    over = sorted((row for row in rows if row["state"] != "kept"), key=_weight)
    return {
        "seconds": terms.seconds,
        "seen": case.evidence != "unknown",
        "until": "ack" if case.evidence == "broker" else "effect",
        "messages": len(rows),
        **{state: sum(row["state"] == state for row in rows) for state in _STATES},
        "p50": percentile(waits, 0.5) if waits else None,
        "p95": percentile(waits, 0.95) if waits else None,
        "longest": waits[-1] if waits else None,
        "longest_judged": max((row["took"] for row in rows if row["state"] != "excused"), default=None),
        "bars": _bars(rows, terms.seconds),
        "told": over[:_TOLD],
        "left_out": max(len(over) - _TOLD, 0),
    }


def _took(case: Case, record: Record) -> float | None:
    """Return the seconds from the first publication of a message to its first work, None if it was not done."""
    sent = next((one.at for one in record.publications if one.passed), None)
    done = record.effect_at
    if case.evidence == "broker":
        acks = (one.settled_at for one in record.deliveries if one.settlement in ("acked", "auto"))
        done = min((at for at in acks if at is not None), default=None)
    return None if sent is None or done is None else round(max(done - sent, 0) / 1e9, 6)


def _row(record: Record, took: float, finding: Finding | None, bound: float) -> dict[str, Any]:
    state, why = "excused" if took > bound else "kept", ""
    if finding is not None:
        state, why = "unsure" if finding.unknown else "late", finding.detail
    return {"message": record.id, "number": record.message.number, "took": took, "state": state, "why": why}


def _weight(row: dict[str, Any]) -> tuple[int, float]:
    """What is told first: what was surely late, the latest first."""
    return _STATES.index(row["state"]), -row["took"]


def _bars(rows: list[dict[str, Any]], bound: float) -> list[dict[str, Any]]:
    """Return how many messages took how long, by what was said of them, up to the last bar that holds any."""
    bars: list[dict[str, Any]] = []
    low = -1.0
    for share in (*_EDGES, None):
        high = None if share is None else round(share * bound, 6)
        here = [row for row in rows if low < row["took"] and (high is None or row["took"] <= high)]
        counts = {state: sum(row["state"] == state for row in here) for state in _STATES}
        bars.append({"from": max(low, 0.0), "until": high, **counts})
        low = low if high is None else high
    last = max((n for n, bar in enumerate(bars) if any(bar[state] for state in _STATES)), default=-1)
    return bars[: max(last + 1, _EDGES.index(1.0) + 1)] if rows else []
