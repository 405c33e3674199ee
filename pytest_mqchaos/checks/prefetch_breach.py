"""Prefetch breach: a consumer had more in hand than was promised, or may have any number."""

from __future__ import annotations

from pytest_mqchaos.checks.causes import fault_text, strike_near
from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.prefetched import Tag, tags
from pytest_mqchaos.model.refinements import Prefetch

__all__ = ["check"]

_MEND = "set the prefetch (basic.qos) before subscribing, on each channel and after each reconnect"


def check(case: Case) -> list[Finding]:
    """Find subscriptions without a limit, and consumers that had too much in hand.

    Nothing is looked at unless a prefetch is promised; else a missing one is a hazard.
    """
    terms = case.guarantee.terms(Prefetch)
    if terms is None:
        return []
    groups = Groups(case, "prefetch_breach")
    for tag, event in tags(case, terms.count):
        reason = _reason(case, tag, event, terms.count)
        if reason is not None:
            groups.add(reason, *tag.beyond)
    return groups.findings()


def _reason(case: Case, tag: Tag, event: e.Subscribed, promised: int) -> Reason | None:
    link, queue = event.link, event.queue
    claim = f"came to {link} when it had {promised} or more in hand already"
    if not event.prefetch:
        strike = strike_near(case, link, event.at) if tag.again else None
        again = " after a reconnect" if tag.again else ""
        cause = f"{link} subscribed to `{queue}` without a prefetch{again}"
        if strike is not None:
            cause += f": {fault_text(case, strike.event.fault)}"
        return Reason(
            detail="after_reconnect" if tag.again else "unlimited",
            claim=claim
            if tag.beyond
            else f"{link} may be handed everything at once, promised were {promised}",
            cause=cause,
            fault=None if strike is None else strike.event.fault,
            mend=_MEND,
        )
    if not tag.beyond:
        return None
    if event.prefetch > promised or event.shared:
        whose = "its channel's" if event.shared else "a"
        cause = f"{link} subscribed to `{queue}` with {whose} prefetch of {event.prefetch}, and had {tag.most} in hand"
        return Reason(detail="above", claim=claim, cause=cause, mend=_MEND)
    claim = f"came to {link} when it had its prefetch of {event.prefetch} in hand already"
    cause = f"the broker does not keep the prefetch of {event.prefetch} of {link}: it had {tag.most} in hand"
    return Reason(detail="by_broker", claim=claim, cause=cause)
