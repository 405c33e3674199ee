"""What lasted: messages over the stops of the broker, and deliveries over the ends of their consumers.

Persistence is P(stored) x P(retrieved): the share of what was published that the broker took responsibility for, and
the share of what it held when it stopped that was seen again afterwards or had been settled. What a queue lacks without
anybody knowing which it is was not retrieved either; of what cannot be judged neither is said, it is left out and
counted. The interval of the product is that of its factors, each with 97.5 %: together they hold with 95 %
(Bonferroni). Reliability is P(acked) of the messages that were handed out, and P(redelivered) of the deliveries
that ended without a settlement.

All of it is seen from the broker: what was cut off before it is not in `stored`, a confirm that nobody heard is one,
and what it handed out may have died on its way. Other counts of a run are those of publisher and consumers, so what
parts the two is counted as well.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from pytest_mqchaos.model.copies import Delivery, Record
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.report.figures.markov import wilson

__all__ = ["endurance"]


_Z_OF_TWO = 2.2414
"""Of 97.5 %."""


def endurance(
    records: Mapping[str, Record], stops: Iterable[int], lost: Sequence[Finding], heard: Container[str]
) -> dict[str, Any]:
    """Return the shares for the document.

    Args:
        records: of the workload's messages.
        stops: the numbers of the events that stopped the broker.
        lost: what the stops of the broker cost, by the check for it.
        heard: messages whose publisher was told that they were confirmed.
    """
    known = list(records.values())
    sent = [record for record in known if record.passed]
    stored = sum(record.ok for record in sent)
    held = {record.id for stop in stops for record in sent if _held(record, stop)}
    undecided = _undecided(held, lost)
    kept = max(len(held - _named(lost)) - _unnamed(lost), 0), len(held) - undecided
    delivered = [record for record in known if record.copies and any(c.deliveries for c in record.copies)]
    back = [each for record in delivered for each in _unsettled(record)]
    return {
        "stored": _share(stored, len(sent)),
        "cut_off": sum(bool(record.publications) and not record.passed for record in known),
        "unheard": sum(record.ok and record.id not in heard for record in sent),
        "retrieved": _share(min(kept), kept[1]),
        "undecided": undecided,
        "persistence": _product((stored, len(sent)), (min(kept), kept[1])),
        "acked": _share(sum(record.accepted for record in delivered), len(delivered)),
        "undelivered": sum(not any(each.passed for each in record.deliveries) for record in delivered),
        "redelivered": _share(sum(back), len(back)) if back else None,
    }


def _named(lost: Iterable[Finding]) -> set[str]:
    """Name what was lost, or may have been."""
    return {name for each in lost for name in each.messages}


def _unnamed(lost: Iterable[Finding]) -> int:
    """Count what a queue lacks, or may lack, without anybody knowing which it is."""
    return sum(max((each.count or 0) - len(each.messages), 0) for each in lost)


def _undecided(held: set[str], lost: Sequence[Finding]) -> int:
    """Count what was held and may have been lost: what surely was is none of it."""
    unsure = [each for each in lost if each.unknown]
    sure = _named(each for each in lost if not each.unknown)
    return min(len(held & (_named(unsure) - sure)) + _unnamed(unsure), len(held))


def _product(*shares: tuple[int, int]) -> dict[str, float] | None:
    """Return the product of independent shares, each a count of how many; None where one is of none."""
    if not all(of for _, of in shares):
        return None
    lows, highs = zip(*(wilson(count, of, _Z_OF_TWO) for count, of in shares), strict=True)
    return {
        "share": round(math.prod(count / of for count, of in shares), 6),
        "low": round(math.prod(lows), 6),
        "high": round(math.prod(highs), 6),
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
    """For each delivery that went back without a settlement, whether its copy was delivered again.

    To the broker a settlement that never came is none.
    """
    return [
        place < len(copy.deliveries) - 1
        for copy in record.copies
        for place, each in enumerate(copy.deliveries)
        if each.returned and not (each.settlement and each.settled_passed)
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
