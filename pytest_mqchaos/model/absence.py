"""Who may still be at work for a message that the broker has taken back.

A handler does not notice at once that its link is lost: while it works on, the broker hands the message to
somebody else, and the work is done twice. So the consumer is *absent* until it reads that queue again on a newer
connection, or its process ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.copies import Delivery

__all__ = ["Absence"]


@dataclass(frozen=True, slots=True)
class _Away:
    connection: int
    """The last connection that it lost with deliveries in hand."""
    whole: bool
    """Whether all of that connection is gone, and not one channel or consumer only."""
    queues: frozenset[str]
    """Where those deliveries came from."""


class Absence:
    """The links whose consumers are away. Each is named by its link."""

    def __init__(self) -> None:
        self._away: dict[str, _Away] = {}
        self._ended: set[str] = set()

    @property
    def links(self) -> frozenset[str]:
        """Links that lost deliveries in hand, did not come back, and whose process has not ended."""
        return frozenset(self._away)

    def lost(
        self,
        event: e.LinkLost | e.ChannelClosed | e.ConsumerCancelled,
        returned: Iterable[Delivery],
        reads: Iterable[tuple[int, str, int]],
    ) -> None:
        """The broker took deliveries back that the consumer did not give up.

        Args:
            event: how they were lost.
            returned: what went back.
            reads: connection, queue and event's number of each subscription that the link still has.
        """
        by_itself = event.by == "client" if isinstance(event, e.ChannelClosed) else False
        by_itself = by_itself or (isinstance(event, e.LinkLost) and event.by == "client" and event.clean)
        hands = [one for one in returned if one.copy is not None and _at_work(one)]
        if by_itself or not hands or event.link in self._ended:
            return
        queues = frozenset(_known_again(one.queue) for one in hands)
        last = max(one.index for one in hands)
        if any(
            number > event.connection and _known_again(queue) in queues and at > last
            for number, queue, at in reads
        ):
            return  # it came back before we saw it go
        before = self._away.get(event.link)
        if before is not None:
            queues |= before.queues
        self._away[event.link] = _Away(event.connection, isinstance(event, e.LinkLost), queues)

    def reads(self, event: e.Subscribed | e.Polled) -> None:
        """A consumer asks a queue for messages: it has come back if it is one that it had deliveries of."""
        away = self._away.get(event.link)
        if away is None or _known_again(event.queue) not in away.queues:
            return
        if event.connection > away.connection or (event.connection == away.connection and not away.whole):
            del self._away[event.link]

    def started(self, link: str) -> None:
        """A new process runs: the one before it has ended."""
        self._away.pop(link, None)
        self._ended.discard(link)

    def ended(self, link: str) -> None:
        """A process works on nothing any more."""
        self._away.pop(link, None)
        self._ended.add(link)


def _known_again(queue: str) -> str:
    """What a queue is known by on the next connection: one that the broker or a client library names has a new name."""
    return next((prefix for prefix in ("amq.gen-", "amq_") if queue.startswith(prefix)), queue)


def _at_work(delivery: Delivery) -> bool:
    """Whether the work for a delivery may still be under way: not answered, or answered before it was done."""
    return not delivery.settlement or (delivery.settlement == "acked" and delivery.effect_seen is False)
