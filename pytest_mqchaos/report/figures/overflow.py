"""What was too much for a queue with a length limit: each such queue, and what became of what it could not hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.events import CensusTaken
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.topology import QueueState

__all__ = ["overflow"]

_QUEUES = 20
_TOLD = 10
_FATES = ("dropped", "not_dead_lettered", "refused", "dead_lettered", "unsure")
"""By what is worst: gone, gone though a dead letter was declared, told to the publisher, kept as a dead letter."""


def overflow(case: Case, findings: Iterable[Finding]) -> dict[str, Any] | None:
    """Return the figure for the document, None if no queue of the last census has a limit.

    Args:
        case: the run.
        findings: what the checks found; those of the kind `overflow` count.
    """
    census = case.ledger.end.census
    bounded = [] if census is None else [one for one in census.queues if _limited(one)]
    if not bounded:
        return None
    most = _most_ready(case)
    fates = {
        name: (_fate(each), each) for each in findings if each.kind == "overflow" for name in each.messages
    }
    rows = sorted(fates.items(), key=lambda item: _FATES.index(item[1][0]))
    return {
        "queues": [_queue(one, most.get(one.name, one.ready)) for one in bounded[:_QUEUES]],
        "queues_left_out": max(len(bounded) - _QUEUES, 0),
        "messages": sum(bool(record.passed) for record in case.ledger.records.values()),
        "too_many": len(fates),
        **{fate: sum(each == fate for each, _ in fates.values()) for fate in _FATES},
        "told": [_told(case, name, fate, each) for name, (fate, each) in rows[:_TOLD]],
        "left_out": max(len(rows) - _TOLD, 0),
    }


def _limited(state: QueueState) -> bool:
    return state.max_length is not None or state.max_length_bytes is not None


def _fate(finding: Finding) -> str:
    return "unsure" if finding.unknown or finding.detail not in _FATES else finding.detail


def _most_ready(case: Case) -> dict[str, int]:
    """Return the most messages that any census of the run counted as ready, by queue."""
    most: dict[str, int] = {}
    for event in case.events:
        if isinstance(event, CensusTaken):
            for state in event.queues:
                most[state.name] = max(state.ready, most.get(state.name, 0))
    return most


def _queue(state: QueueState, most: int) -> dict[str, Any]:
    return {
        "name": state.name,
        "max_length": state.max_length,
        "max_length_bytes": state.max_length_bytes,
        "policy": state.overflow or "drop-head",
        "dead_letter_exchange": state.dead_letter_exchange,
        "ready": state.ready,
        "most_ready": most,
    }


def _told(case: Case, name: str, fate: str, finding: Finding) -> dict[str, Any]:
    message = case.messages.get(name)
    number = 0 if message is None else message.number
    return {"message": name, "number": number, "fate": fate, "claim": finding.claim, "cause": finding.cause}
