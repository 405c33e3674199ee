"""Attempts: the tries of one message, read off the wire, and how each of them ended.

```
Delivered ── nack, reject ──────────────── failed: the next delivery is the next attempt
Delivered ── published again, acked ────── failed, and its copy is on its way
Delivered ── acked ─────────────────────── done
Delivered ── link lost, channel closed ─── disturbed: no attempt that the consumer counts for sure
```
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from pytest_mqchaos.model.copies import Delivery, Publication, Record
from pytest_mqchaos.model.names import base_name

__all__ = ["Attempt", "chains"]

End = Literal["failed", "done", "disturbed", "open"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try."""

    delivery: Delivery
    end: End
    copy: Publication | None = None
    """What the consumer published to try it again, if it did."""

    @property
    def over(self) -> int:
        """When it ended, in nanoseconds; for one that is open when it began."""
        at = self.delivery.settled_at
        return self.delivery.at if at is None else at


def chains(record: Record, others: Collection[str]) -> Iterator[list[Attempt]]:
    """Yield the attempts of a message, up to its work; of a fan-out by queue.

    Args:
        record: the message.
        others: queues where a delivery is no attempt: those for dead letters.
    """
    found = [one for one in record.deliveries if one.queue not in others]
    if record.effect_index is not None:
        found = [one for one in found if one.index < record.effect_index]
    by_queue = bool(record.publications) and bool(record.publications[0].exchange)
    for queue in dict.fromkeys(one.queue for one in found) if by_queue else ("",):
        stages = list(_stages([one for one in found if not queue or one.queue == queue]))
        for stage in stages:
            chain: list[Attempt] = []
            for one in stage:
                chain.append(_attempt(record, one))
                if chain[-1].end == "done":
                    break
            if stage is not stages[-1]:
                chain[-1] = replace(chain[-1], end="done")
            yield chain


def _stages(found: list[Delivery]) -> Iterator[list[Delivery]]:
    """Part deliveries where one consumer handed the message on to another one for good: that is no attempt."""
    begin = 0
    left = {one.queue: index for index, one in enumerate(found)}
    reach = 0
    """Up to where queues that were seen so far come again."""
    for index in range(1, len(found)):
        one, after = found[index - 1], found[index]
        reach = max(reach, left[one.queue])
        others = base_name(one.link) != base_name(after.link)
        if others and one.settlement == "acked" and reach < index:
            yield found[begin:index]
            begin = index
    if found:
        yield found[begin:]


def _attempt(record: Record, one: Delivery) -> Attempt:
    until = one.settled_index
    copies = [
        each for each in record.republications
        if each.passed and each.link == one.link and one.index < each.index and (until is None or each.index < until)
    ]  # fmt: skip
    copy = copies[-1] if copies else None
    if one.settlement == "auto":
        return Attempt(one, "failed" if copy else "done", copy)
    if one.returned and one.returned != "requeued":
        return Attempt(one, "disturbed", copy)
    if not one.settled_passed:
        return Attempt(one, "disturbed" if one.settlement else "open", copy)
    if one.settlement == "acked" and copy is None:
        return Attempt(one, "done")
    return Attempt(one, "failed", copy)
