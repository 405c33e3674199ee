"""Requeue storm: a message goes round between its queue and its consumer and gets nowhere."""

from __future__ import annotations

from itertools import pairwise
from statistics import median

from pytest_mqchaos.checks.causes import end_of_holder
from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Copy, Delivery
from pytest_mqchaos.model.findings import Finding

__all__ = ["check"]

_MANY = 10
_FAST = 1_000_000_000
"""Nanoseconds: a median gap below it is a storm."""
_OWN = frozenset({"requeued", "recovered", "channel_closed"})
"""How a consumer gives a message back by its own doing."""


def check(case: Case) -> list[Finding]:
    """Find ten deliveries of one copy in quick succession, or redeliveries that go on while nothing progresses.

    Three immediate tries and then the dead-letter queue is a sound design; a process that dies each time is
    `poison_stuck`.
    """
    groups = Groups(case, "requeue_storm")
    idle = _since_progress(case) if not case.settled else {}
    for record in case.ledger.records.values():
        for copy in record.copies:
            if _fast(case, copy) or copy in idle:
                groups.add(_reason(copy), record.id)
    return groups.findings()


def _fast(case: Case, copy: Copy) -> bool:
    """Whether it came ten times or more, mostly within a second of the time before."""
    return len(copy.deliveries) >= _MANY and _gap(copy.deliveries) < _FAST and not _dies(case, copy)


def _gap(deliveries: list[Delivery]) -> float:
    return median(b.at - a.at for a, b in pairwise(deliveries))


def _dies(case: Case, copy: Copy) -> bool:
    """Whether it mostly came back because processes ended."""
    ends = [
        one for one in copy.deliveries if one.returned == "link_lost" and end_of_holder(case, one) is not None
    ]
    return 2 * len(ends) > len(copy.deliveries)


def _since_progress(case: Case) -> dict[Copy, None]:
    """Copies that were given back and delivered again since the last progress, if that happened often."""
    end = case.ledger.end
    found: dict[Copy, None] = {}
    count = 0
    for record in case.ledger.records.values():
        for copy in record.copies:
            own = sum(
                one.returned in _OWN and end.progress_index < one.index <= end.index
                for one in copy.deliveries[:-1]
            )
            if own:
                found[copy] = None
                count += own
    return found if count >= _MANY else {}


def _reason(copy: Copy) -> Reason:
    last = copy.deliveries[-1]
    gap = _gap(copy.deliveries) / 1e9
    pace = "10 ms" if gap < 0.05 else "100 ms" if gap < 0.5 else "second" if gap < 2 else "few seconds"
    return Reason(
        claim=f"requeue storm: {last.link} gives it back to `{copy.queue}` again and again, about every {pace}",
        mend="reject it without requeue after a few tries, or try again with a delay",
    )
