"""How what failed was tried again, under a promise of it: each pause, beside what is promised and what is tolerated.

Which message broke it the check has said, by the same tolerances; the pauses are those of all messages, also where a
fault ended the attempt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_mqchaos.checks.retry_schedule import scheduling_delay, slack, soonest
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.refinements import Retry

__all__ = ["retry"]

_TOLD = 10
_ROWS = 20
_KINDS = ("early", "late", "too_many", "too_few")


def retry(
    case: Case, findings: Iterable[Finding], pauses: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Return the figure for the document, None if no policy was promised.

    Args:
        case: the run.
        findings: what the checks found; those of the kind `retry_schedule` count, but for information.
        pauses: the pause before each attempt, as the document has them.
    """
    terms = case.guarantee.terms(Retry)
    if terms is None:
        return None
    said = [
        (name, each.detail)
        for each in findings
        if each.kind == "retry_schedule" and not each.information
        for name in each.messages
    ]
    delay = scheduling_delay(case)
    tries = [sum(each.passed for each in record.deliveries) for record in case.ledger.records.values()]
    return {
        "policy": str(terms.policy),
        "attempts": terms.attempts,
        "scheduling_delay": round(delay, 6),
        "messages": sum(count > 1 for count in tries),
        "most": max(tries, default=0),
        **{kind: sum(detail == kind for _, detail in said) for kind in _KINDS},
        "rows": [_row(each, delay) for each in pauses[:_ROWS]],
        "rows_left_out": max(len(pauses) - _ROWS, 0),
        "told": [_told(case, *each) for each in said[:_TOLD]],
        "left_out": max(len(said) - _TOLD, 0),
    }


def _row(pause: Mapping[str, Any], delay: float) -> dict[str, Any]:
    """Return a pause with what the check would not yet call early or late."""
    after, until = pause["due_after"], pause["due_until"]
    return {
        **pause,
        "tolerated_after": round(max(soonest(after), 0.0), 6),
        "tolerated_until": round(until + slack(until) + delay, 6),
    }


def _told(case: Case, name: str, why: str) -> dict[str, Any]:
    message, record = case.messages.get(name), case.ledger.records.get(name)
    return {
        "message": name,
        "number": 0 if message is None else message.number,
        "why": why,
        "attempts": 0 if record is None else sum(each.passed for each in record.deliveries),
    }
