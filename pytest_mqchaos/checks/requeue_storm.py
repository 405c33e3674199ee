"""Requeue storm: a message goes round between its queue and its consumer and gets nowhere."""

from __future__ import annotations

from itertools import pairwise
from statistics import median

from pytest_mqchaos.checks.causes import end_of_holder
from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.checks.rounds import GROWING, comes_round, given_back, paces
from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Copy, Delivery, Record
from pytest_mqchaos.model.findings import Finding

__all__ = ["check"]

_MANY = 10
_FAST = 1_000_000_000
"""Nanoseconds: a median gap below it is a storm."""


def check(case: Case) -> list[Finding]:
    """Find ten deliveries of one copy in quick succession, or redeliveries that go on while nothing progresses.

    Three immediate tries and then the dead-letter queue is a sound design; a process that dies each time is
    `poison_stuck`; what faults and the broker give back is nobody's storm.
    """
    groups = Groups(case, "requeue_storm")
    idle = _since_progress(case) if not case.settled else {}
    for record in case.ledger.records.values():
        for copy in record.copies:
            if _fast(case, copy) or copy in idle:
                groups.add(_reason(case, copy, idle.get(copy, "gives it back")), record.id)
    return groups.findings()


def _fast(case: Case, copy: Copy) -> bool:
    """Whether its consumer gave it back so often that it came ten times, mostly within a second of the time before."""
    gaps = paces(copy)
    return len(gaps) >= _MANY - 1 and median(gaps) < _FAST and not _dies(case, copy)


def _dies(case: Case, copy: Copy) -> bool:
    """Whether it mostly came back because processes ended."""
    ends = [
        one for one in copy.deliveries if one.returned == "link_lost" and end_of_holder(case, one) is not None
    ]
    return 2 * len(ends) > len(copy.deliveries)


def _closed_by_the_broker(case: Case, copy: Copy) -> e.ChannelClosed | None:
    """Return the last close of a channel by the broker, if that is what mostly gave a copy back."""
    closed = [
        one for one in copy.deliveries if (one.returned, one.returned_by) == ("channel_closed", "broker")
    ]
    if 2 * len(closed) <= len(copy.deliveries):
        return None
    places = {(one.connection, one.channel) for one in closed}
    found = [
        event
        for event in case.events
        if isinstance(event, e.ChannelClosed)
        and event.by == "broker"
        and (event.connection, event.channel) in places
    ]
    return found[-1] if found else None


def _since_progress(case: Case) -> dict[Copy, str]:
    """Copies that went round since the last progress, if that happened often, and how their consumer does it."""
    end = case.ledger.end
    found: dict[Copy, str] = {}
    count, slow = 0, False
    for record in case.ledger.records.values():
        for copy in record.copies:
            own = [
                one
                for one in copy.deliveries[:-1]
                if given_back(one) and end.progress_index < one.index <= end.index
            ]
            if own and not _dies(case, copy):
                found[copy] = "gives it back"
                count += len(own)
                requeues = sum(one.returned in ("requeued", "recovered") for one in own)
                slow = slow or (requeues >= GROWING and comes_round(case, copy))
        rounds = [one for one in _published_again(record) if one.index > end.progress_index]
        if rounds and (last := rounds[-1].copy) is not None:
            found[last] = "publishes it again"
            count += len(rounds)
    return found if slow or count >= _MANY else {}


def _published_again(record: Record) -> list[Delivery]:
    """Deliveries that a consumer acked after it had published the message to the same queue again."""
    if not record.republications:
        return []
    return [
        one
        for one in record.deliveries
        if one.settlement == "acked"
        and any(
            (each.link, each.exchange, each.routing_key) == (one.link, "", one.queue)
            and one.index < each.index < (one.settled_index or 0)
            for each in record.republications
        )
    ]


def _reason(case: Case, copy: Copy, does: str) -> Reason:
    last = copy.deliveries[-1]
    came = [one.at for one in copy.record.deliveries if one.queue == copy.queue]
    gap = median(after - before for before, after in pairwise(came)) / 1e9 if len(came) > 1 else 0.0
    pace = "10 ms" if gap < 0.05 else "100 ms" if gap < 0.5 else "second" if gap < 2 else "few seconds"
    if (error := _closed_by_the_broker(case, copy)) is not None:
        return Reason(
            claim=f"requeue storm: the broker closes the channel of {last.link} with it in hand again and again, "
            f"about every {pace}",
            cause=f"{error.code} {error.text}".strip(),
            mend="settle each delivery once, on the channel that it came on, and do nothing else that the broker "
            "closes the channel for",
        )
    goes = (
        f"gives it back to `{copy.queue}`" if does == "gives it back" else f"publishes it to `{copy.queue}`"
    )
    return Reason(
        claim=f"requeue storm: {last.link} {goes} again and again, about every {pace}",
        mend="reject it without requeue after a few tries, or try again with a delay",
    )
