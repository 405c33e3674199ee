"""What each consumer tag had in hand, counted by subscription, on the wire: delivered to it, and not settled.

The wire sees a delivery after the broker has counted it, and a settlement before, so that it never counts more than the
broker does. `basic.get` and automatic ack know no prefetch.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.case import Case

__all__ = ["Tag", "tags"]


@dataclass(slots=True)
class Tag:
    """One consumer tag from its subscription to its end."""

    event: e.Subscribed | None = None
    """None while its answer has not come: deliveries may come before."""
    again: bool = False
    """Whether the same link had read the same queue on another connection before."""
    ended: bool = False
    """Whether it was cancelled: what is still on its way to it counts for nobody."""
    open: set[int] = field(default_factory=set)
    most: int = 0
    often: Counter[int] = field(default_factory=Counter)
    """How many deliveries came, by how many were in hand then, that one among them."""
    beyond: list[str] = field(default_factory=list)
    """Messages that came when as many as it may have were in hand already."""

    def limit(self, promised: int) -> int:
        """How many it may have: what was promised, or fewer if its own prefetch says so."""
        own = 0 if self.event is None or self.event.shared else self.event.prefetch
        return min(promised, own or promised)


class _Tags:
    """Follows what each consumer tag has in hand."""

    def __init__(self, promised: int) -> None:
        self.all: list[Tag] = []
        self._promised = promised
        self._live: dict[tuple[int, int], dict[str, Tag]] = {}
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

    def _of(self, event: e.LinkEvent) -> dict[str, Tag]:
        return self._live.setdefault((event.connection, event.channel), {})

    def _subscribed(self, event: e.Subscribed) -> None:
        tags = self._of(event)
        tag = tags.get(event.consumer_tag)
        if tag is None or tag.ended:
            tag = tags[event.consumer_tag] = Tag()
        tag.event = event
        before = self._readers.setdefault((event.link, event.queue), set())
        tag.again = bool(before - {event.connection})
        before.add(event.connection)
        self.all.append(tag)

    def _delivered(self, event: e.Delivered) -> None:
        tag = self._of(event).setdefault(event.consumer_tag, Tag())
        if tag.ended:
            return
        tag.open.add(event.tag)
        tag.most = max(tag.most, len(tag.open))
        tag.often[len(tag.open)] += 1
        if len(tag.open) > tag.limit(self._promised) and event.message is not None:
            tag.beyond.append(event.message)


def tags(case: Case, promised: int) -> list[tuple[Tag, e.Subscribed]]:
    """Return the consumer tags that read where messages of the workload were, each with its subscription.

    Args:
        case: the run, up to the end of its last settle.
        promised: how many deliveries may be in hand.
    """
    found = _Tags(promised)
    for event in case.events[: case.ledger.end.index + 1]:
        found.take(event)
    records = case.ledger.records.values()
    queues = {one.queue for record in records for one in record.deliveries}
    queues |= {record.message.queue for record in records}
    return [(tag, tag.event) for tag in found.all if tag.event is not None and tag.event.queue in queues]
