"""Persistence loss: confirmed, held by the broker before it stopped, and gone after it started."""

from __future__ import annotations

from pytest_mqchaos.checks.causes import fault_text, listed, strike_near
from pytest_mqchaos.checks.fates import Fate, declared_transient, fates, last_stop, missing
from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.findings import Finding

__all__ = ["check"]


def check(case: Case) -> list[Finding]:
    """Find what did not outlive a stop: `by_declaration` if it was not declared to, else `by_broker`."""
    groups = Groups(case, "persistence_loss")
    for fate in fates(case):
        if fate.stop is not None and not fate.accepted:
            groups.add(_reason(case, fate, fate.stop.event), fate.record.id)
    stop = last_stop(case)
    return groups.findings() + (
        [_by_count(case, groups, stop, *each) for each in missing(case)] if stop else []
    )


def _by_count(case: Case, groups: Groups, stop: e.BrokerStopped, queue: str, count: int) -> Finding:
    """A queue holds fewer than it must, and nobody can say which are gone."""
    fault, cause = _cause(case, stop)
    claim = f"lost when the broker stopped: `{queue}` holds {count} fewer than it must, and which ones cannot be told"
    return groups.finding(Reason(detail="by_broker", claim=claim, cause=cause, fault=fault), [], count=count)


def _reason(case: Case, fate: Fate, stop: e.BrokerStopped) -> Reason:
    declared = declared_transient(case, fate.record, fate.own)
    detail = "by_declaration" if declared else "by_broker"
    fault, cause = _cause(case, stop)
    if fate.unsure:
        claim = (
            f"was held by the broker before it stopped, and whether it still is cannot be told: {fate.unsure}"
        )
        return Reason(detail=detail, claim=claim, cause=cause, fault=fault, unknown=True)
    if declared:
        claim = f"lost when the broker stopped: {declared}"
        mend = "publish persistent messages to durable queues"
    elif fate.own is not None:
        own = f"the copy that {fate.own.link} published, though persistent and confirmed"
        claim = f"lost when the broker stopped: {own}"
        mend = ""
    else:
        queues = {copy.queue for copy in fate.record.copies} or {fate.record.message.queue or "its queue"}
        claim = f"lost when the broker stopped, though persistent, confirmed and in {listed(queues)}"
        mend = ""
    return Reason(detail=detail, claim=claim, cause=cause, mend=mend, fault=fault)


def _cause(case: Case, stop: e.BrokerStopped) -> tuple[int | None, str]:
    strike = strike_near(case, "broker", stop.at)
    if strike is None:
        return None, f"the broker stopped ({stop.how})"
    return strike.event.fault, fault_text(case, strike.event.fault)
