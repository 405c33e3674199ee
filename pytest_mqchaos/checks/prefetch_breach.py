"""Prefetch breach: a consumer had more in hand than was promised.

Counted by subscription, on the wire: what was delivered to a consumer tag and not settled. The wire sees a delivery
after the broker has counted it, and a settlement before, so that it never counts more than the broker does.
`basic.get` and automatic ack know no prefetch.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_mqchaos.checks.causes import fault_text, strike_near
from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.refinements import Prefetch

__all__ = ["check"]

_MEND = "set the prefetch (basic.qos) before subscribing, on each channel and after each reconnect"


@dataclass(slots=True)
class _Tag:
    """One consumer tag from its subscription to its end."""

    event: e.Subscribed | None = None
    """None while its answer has not come: deliveries may come before."""
    again: bool = False
    """Whether the same link had read the same queue on another connection before."""
    ended: bool = False
    """Whether it was cancelled: what is still on its way to it counts for nobody."""
    open: set[int] = field(default_factory=set)
    most: int = 0
    beyond: list[str] = field(default_factory=list)
    """Messages that came when as many as it may have were in hand already."""

    def limit(self, promised: int) -> int:
        """How many it may have: what was promised, or fewer if its own prefetch says so."""
        own = 0 if self.event is None or self.event.shared else self.event.prefetch
        return min(promised, own or promised)


class _Tags:
    """Follows what each consumer tag has in hand."""

    def __init__(self, promised: int) -> None:
        self.all: list[_Tag] = []
        self._promised = promised
        self._live: dict[tuple[int, int], dict[str, _Tag]] = {}
        self._readers: dict[tuple[str, str], set[int]] = {}

    def take(self, event: e.Event) -> None:
        """Take one event in."""
        match event:
            case e.Delivered(get=False, auto_ack=False):
                self._delivered(event)
            case e.Acked() | e.Nacked() | e.Rejected():
                for tag in self._of(event).values():
                    tag.open.discard(event.tag)
            case e.Recovered():
                for tag in self._of(event).values():
                    tag.open.clear()
            case e.Subscribed(auto_ack=False):
                self._subscribed(event)
            case e.Unsubscribed() | e.ConsumerCancelled():
                if (ended := self._of(event).get(event.consumer_tag)) is not None:
                    ended.ended = True
            case e.ChannelOpened() | e.ChannelClosed():
                self._live.pop((event.connection, event.channel), None)

    def _of(self, event: e.LinkEvent) -> dict[str, _Tag]:
        return self._live.setdefault((event.connection, event.channel), {})

    def _subscribed(self, event: e.Subscribed) -> None:
        tags = self._of(event)
        tag = tags.get(event.consumer_tag)
        if tag is None or tag.ended:
            tag = tags[event.consumer_tag] = _Tag()
        tag.event = event
        before = self._readers.setdefault((event.link, event.queue), set())
        tag.again = bool(before - {event.connection})
        before.add(event.connection)
        self.all.append(tag)

    def _delivered(self, event: e.Delivered) -> None:
        tag = self._of(event).setdefault(event.consumer_tag, _Tag())
        if tag.ended:
            return
        tag.open.add(event.tag)
        tag.most = max(tag.most, len(tag.open))
        if len(tag.open) > tag.limit(self._promised) and event.message is not None:
            tag.beyond.append(event.message)


def check(case: Case) -> list[Finding]:
    """Find subscriptions without a limit, and consumers that had too much in hand.

    Nothing is looked at unless a prefetch is promised; else a missing one is a hazard.
    """
    terms = case.guarantee.terms(Prefetch)
    if terms is None:
        return []
    tags = _Tags(terms.count)
    for event in case.events[: case.ledger.end.index + 1]:
        tags.take(event)
    records = case.ledger.records.values()
    queues = {one.queue for record in records for one in record.deliveries}
    queues |= {record.message.queue for record in records}
    groups = Groups(case, "prefetch_breach")
    for tag in tags.all:
        if tag.event is not None and tag.event.queue in queues:
            reason = _reason(case, tag, tag.event, terms.count)
            if reason is not None:
                groups.add(reason, *tag.beyond)
    return groups.findings()


def _reason(case: Case, tag: _Tag, event: e.Subscribed, promised: int) -> Reason | None:
    link, queue = event.link, event.queue
    claim = f"came to {link} when it had {promised} in hand already"
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
