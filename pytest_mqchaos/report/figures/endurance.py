"""What lasted: messages over the stops of the broker, and deliveries over the ends of their consumers.

Persistence is P(stored) x P(retrieved): the share of what was published that the broker took responsibility for, and
the share of what it held when it stopped that was seen again afterwards or had been settled. Reliability is P(acked) of
the messages that were delivered, and P(redelivered) of the deliveries that ended without a settlement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pytest_mqchaos.model.copies import Delivery, Record
from pytest_mqchaos.report.figures.markov import wilson

__all__ = ["endurance"]


def endurance(records: Mapping[str, Record], stops: Iterable[int], lost: Iterable[str]) -> dict[str, Any]:
    """Return the shares for the document.

    Args:
        records: of the workload's messages.
        stops: the numbers of the events that stopped the broker.
        lost: ids that a stop of the broker cost, by the check for it.
    """
    known = list(records.values())
    sent = [record for record in known if record.passed]
    stored = sum(record.ok for record in sent)
    gone = set(lost)
    held = {record.id for stop in stops for record in sent if _held(record, stop)}
    delivered = [record for record in known if record.copies and any(c.deliveries for c in record.copies)]
    back = [each for record in delivered for each in _unsettled(record)]
    return {
        "stored": _share(stored, len(sent)),
        "retrieved": _share(len(held - gone), len(held)) if held else None,
        "acked": _share(sum(record.accepted for record in delivered), len(delivered)),
        "redelivered": _share(sum(back), len(back)) if back else None,
    }


def _held(record: Record, stop: int) -> bool:
    """Whether the broker had taken a message when it stopped, and nobody had taken it off."""
    if record.confirmed_index is None or record.confirmed_index > stop or not record.ok:
        return False
    return not any(_settled_before(each, stop) for copy in record.copies for each in copy.deliveries)


def _settled_before(one: Delivery, stop: int) -> bool:
    if one.auto_ack:
        return one.index < stop
    settled = one.settlement in ("acked", "dropped") and one.settled_passed
    return settled and one.settled_index is not None and one.settled_index < stop


def _unsettled(record: Record) -> list[bool]:
    """For each delivery that went back without a settlement, whether its copy was delivered again."""
    return [
        place < len(copy.deliveries) - 1
        for copy in record.copies
        for place, each in enumerate(copy.deliveries)
        if each.returned and not each.settlement
    ]


def _share(count: int, of: int) -> dict[str, Any] | None:
    if not of:
        return None
    low, high = wilson(count, of)
    return {
        "count": count,
        "of": of,
        "share": round(count / of, 6),
        "low": round(low, 6),
        "high": round(high, 6),
    }
