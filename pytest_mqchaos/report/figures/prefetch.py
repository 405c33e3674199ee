"""What consumers had in hand, under a promise of how many at most: each subscription, and how often it had how many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.prefetched import Tag, tags
from pytest_mqchaos.model.refinements import Prefetch

__all__ = ["prefetch"]

_SUBSCRIPTIONS = 20
_TOLD = 10
_BARS = 30


def prefetch(case: Case, findings: Iterable[Finding], start: int) -> dict[str, Any] | None:
    """Return the figure for the document, None if no prefetch was promised.

    Args:
        case: the run.
        findings: what the checks found; those of the kind `prefetch_breach` count.
        start: the moment that counts as zero, in nanoseconds.
    """
    terms = case.guarantee.terms(Prefetch)
    if terms is None:
        return None
    found = tags(case, terms.count)
    rows = [_row(tag, start) for tag, _ in found]
    often: Counter[int] = sum((tag.often for tag, _ in found), Counter())
    said = {name: each for each in findings if each.kind == "prefetch_breach" for name in each.messages}
    rows.sort(key=lambda row: (-row["beyond"], bool(row["prefetch"]), -row["most"]))
    return {
        "count": terms.count,
        "most": max((tag.most for tag, _ in found), default=0),
        "deliveries": sum(often.values()),
        "beyond": sum(row["beyond"] for row in rows),
        "unlimited": sum(not row["prefetch"] for row in rows),
        "subscriptions": rows[:_SUBSCRIPTIONS],
        "subscriptions_left_out": max(len(rows) - _SUBSCRIPTIONS, 0),
        "bars": _bars(often, terms.count),
        "told": [_told(case, name, each) for name, each in list(said.items())[:_TOLD]],
        "left_out": max(len(said) - _TOLD, 0),
    }


def _row(tag: Tag, start: int) -> dict[str, Any]:
    event = tag.event
    assert event is not None  # of the tags of a case each has its subscription
    return {
        "consumer": event.link,
        "queue": event.queue,
        "at": round((event.at - start) / 1e9, 6),
        "prefetch": event.prefetch,
        "shared": event.shared,
        "again": tag.again,
        "deliveries": sum(tag.often.values()),
        "most": tag.most,
        "beyond": len(tag.beyond),
    }


def _bars(often: Counter[int], promised: int) -> list[dict[str, int]]:
    """Return how many deliveries came by how many were in hand then; of a wide range several numbers to a bar."""
    most = max(often, default=0)
    width = -(-most // _BARS) or 1
    edges = sorted({*range(width, most + width, width), promised} - {0}) if most else []
    bars = []
    low = 0
    for high in edges:
        if low < most:
            held = sum(count for number, count in often.items() if low < number <= high)
            bars.append({"from": low + 1, "until": high, "deliveries": held})
        low = high
    return bars


def _told(case: Case, name: str, finding: Finding) -> dict[str, Any]:
    message = case.messages.get(name)
    return {"message": name, "number": 0 if message is None else message.number, "why": finding.detail}
