"""Redelivered: one copy delivered more often than once, explained or not."""

from __future__ import annotations

from itertools import pairwise

from pytest_mqchaos.checks.causes import return_cause
from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Conflict, Copy, Delivery
from pytest_mqchaos.model.findings import Finding

__all__ = ["check", "excused", "unlawful"]


def check(case: Case) -> list[Finding]:
    """Find redeliveries; what came back after its ack was processed is an illegal transition instead."""
    groups = Groups(case, "redelivered")
    for record in case.ledger.records.values():
        for copy in record.copies:
            if len(copy.deliveries) > 1:
                for reason in _reasons(case, copy):
                    groups.add(reason, record.id)
    return groups.findings()


def _reasons(case: Case, copy: Copy) -> list[Reason]:
    found = []
    clashes = {id(one.after): one for one in copy.conflicts}
    for before, after in pairwise(copy.deliveries):
        clash = clashes.get(id(after))
        if clash is None or excused(case, clash):
            cause, fault = return_cause(case, _taken_back(before, clash))
            found.append(Reason(detail="explained", claim="delivered again", cause=cause, fault=fault))
        elif not unlawful(clash):
            had = f"{clash.before.link} (tag {clash.before.tag})"
            claim = f"delivered again to {after.link} while {had} had it, and nothing took it back"
            found.append(Reason(detail="unexplained", claim=claim))
    return found


def excused(case: Case, clash: Conflict) -> bool:
    """Whether the delivery before ended after all: brokers notice the end of a connection before we do."""
    before = clash.before
    if _seen_late(clash):
        return True
    if before.processed and not before.returned:
        return False
    if before.voided or before.unsubscribed or before.eaten:
        return True
    end = case.ledger.end.index
    return bool(before.returned) and (before.returned_index or 0) <= end


def _taken_back(before: Delivery, clash: Conflict | None) -> Delivery:
    """The delivery whose end gave the copy back to the broker."""
    if clash is None:
        return before
    return clash.after if _seen_late(clash) else clash.before


def _seen_late(clash: Conflict) -> bool:
    """Whether the delivery that we saw second was the broker's first, on a connection that was then lost.

    Two connections are read one after the other, so the order of what they bring is not the broker's; the broker's own
    mark of a redelivery is on the one that truly came second, or on both where it had been given back before.
    """
    before, after = clash.before, clash.after
    ended = not after.passed or after.returned == "link_lost"
    marked_before = before.copy is not None and before.copy.deliveries[0] is not before
    told = before.redelivered and (marked_before or not after.redelivered)
    return ended and told and before.connection != after.connection


def unlawful(clash: Conflict) -> bool:
    """Whether the broker had processed the settlement of the delivery before."""
    before = clash.before
    return before.processed and not before.returned
