"""Poison stuck: a message that cannot be processed is neither dead-lettered nor settled."""

from __future__ import annotations

from pytest_mqchaos.checks.causes import end_of_holder
from pytest_mqchaos.checks.fates import queue_facts
from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.checks.poison import Expected, poison
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Delivery
from pytest_mqchaos.model.findings import Finding

__all__ = ["check"]

_LOOP = 2
"""So many processes that died with it make a loop."""
_MEND = "reject a message that cannot be processed without requeue, after a few tries at most"


def check(case: Case) -> list[Finding]:
    """Find poison that consumers did not get rid of.

    `crash_loop` if they keep dying on it, `head_of_line` if others wait behind it, `limit` if only the broker's
    delivery limit ended it. What is in dead-letter transit was given up: that is a dead-letter miss.
    """
    groups = Groups(case, "poison_stuck")
    for one in poison(case):
        if one.record.most or not one.deliveries:
            continue
        in_transit = any(one.where.in_transit(copy) for copy in one.record.copies)
        if one.stuck and not one.arrived and not in_transit:
            groups.add(_stuck(case, one), one.record.id)
        elif (limit := _limited(case, one)) is not None:
            groups.add(limit, one.record.id)
    return groups.findings()


def _stuck(case: Case, one: Expected) -> Reason:
    died = [each for each in one.deliveries if _died_with(case, each)]
    if len(died) >= _LOOP:
        code = end_of_holder(case, died[-1])
        cause = "" if code is None else f"the last one ended with exit code {code[1].exit_code}"
        others = ", and others wait behind it" if _waiting_behind(case, one) else ""
        claim = f"poison stuck: {died[-1].link} dies on it and it comes back{others}"
        return Reason(detail="crash_loop", claim=claim, cause=cause, mend=_MEND)
    queue = one.deliveries[-1].queue
    if _waiting_behind(case, one):
        claim = f"poison stuck: neither settled nor dead-lettered, and others wait behind it in `{queue}`"
        return Reason(detail="head_of_line", claim=claim, mend=_MEND)
    return Reason(claim="poison stuck: neither settled nor dead-lettered", mend=_MEND)


def _waiting_behind(case: Case, one: Expected) -> bool:
    """Whether good messages are ready where poison comes from."""
    queue = one.deliveries[-1].queue
    state = one.where.roles.queues.get(queue)
    bad = sum(
        copy.queue == queue and copy.state == "ready"
        for record in case.ledger.records.values()
        if record.message.poison
        for copy in record.copies
    )
    waiting = state is not None and state.ready > bad
    return waiting and any(
        record.good and not record.most and not record.accepted for record in case.ledger.records.values()
    )


def _died_with(case: Case, delivery: Delivery) -> bool:
    """Whether the process ended by itself with this delivery in hand."""
    ended = end_of_holder(case, delivery)
    if ended is None or ended[1].by != "itself":
        return False
    return delivery.settled_index is None or delivery.settled_index > ended[0]


def _limited(case: Case, one: Expected) -> Reason | None:
    """Whether the broker gave it up. A limit that was set, with a dead-letter queue behind, is a sound design."""
    last = one.deliveries[-1]
    state = queue_facts(case, last.queue)
    limit = None if state is None else state.delivery_limit
    by_death = any(copy.death_reason == "delivery_limit" for copy in one.record.copies)
    returns = sum(bool(each.returned) for each in one.deliveries if each.queue == last.queue)
    if not by_death and (limit is None or returns < limit or last.settlement not in ("", "requeued")):
        return None
    chosen = state is not None and ("x-delivery-limit" in state.arguments or "delivery-limit" in state.policy)
    return Reason(
        detail="limit",
        claim=f"poison stuck: only the broker's delivery limit{'' if limit is None else f' of {limit}'} ended it",
        mend=_MEND,
        information=chosen and bool(one.arrived),
    )
