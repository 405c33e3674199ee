"""What has been seen of each kind of event: over the run, by consumer, by queue."""

from __future__ import annotations

from collections import Counter

from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.events import LinkEvent
from pytest_mqchaos.model.faults import Fault
from pytest_mqchaos.model.names import base_name
from pytest_mqchaos.model.triggers import Trigger

__all__ = ["Counts", "counted"]


def counted(fault: Fault) -> str:
    """Over whose events a fault's trigger counts: those of whom it names, else all."""
    if fault.trigger is not None and fault.trigger.by is not None:
        return base_name(fault.trigger.by)
    if fault.consumer in (None, "*") or (fault.trigger and fault.trigger.kind in ("publish", "confirm")):
        return "*"
    return base_name(str(fault.consumer))


class Counts:
    """Counts the events of a run; those of effects may be counted by any thread, all others by the link's."""

    def __init__(self) -> None:
        self.all: Counter[tuple[str, str, str]] = Counter()
        """By kind, consumer (`*` for all) and queue (`*` for all)."""
        self.handed: dict[str, tuple[str, int]] = {}
        """The link and the connection that each message was last delivered on."""
        self._queues: dict[tuple[int, int, int], str] = {}

    @property
    def in_hand(self) -> int:
        """How many deliveries are not settled."""
        return len(self._queues)

    def of(self, trigger: Trigger, consumer: str = "*") -> int:
        """How many events of the trigger's kind there were."""
        return self.all[trigger.kind, trigger.by or consumer, trigger.queue or trigger.service or "*"]

    def saw(self, kind: str, fact: LinkEvent, message: str) -> str | None:
        """Count a fact of a message, and return its queue; a settlement's is that of its delivery."""
        if kind == "delivery":
            self.handed[message] = fact.link, fact.connection
        queue = self._queue_of(fact)
        self.tick(kind, base_name(fact.link), queue)
        return queue

    def saw_own(self, kind: str, fact: LinkEvent) -> None:
        """Count what a consumer published itself: for that consumer alone, it is none of the workload."""
        self.all[kind, base_name(fact.link), "*"] += 1

    def tick(self, kind: str, consumer: str, queue: str | None, *, by: int = 1) -> None:
        """Count an event; -1 takes one back that never came to be."""
        counts = self.all
        counts[kind, "*", "*"] += by
        counts[kind, consumer, "*"] += by
        if queue is not None:
            counts[kind, "*", queue] += by
            counts[kind, consumer, queue] += by

    def _queue_of(self, fact: LinkEvent) -> str | None:
        if isinstance(fact, facts.Delivered):
            if not fact.auto_ack:
                self._queues[fact.connection, fact.channel, fact.tag] = fact.queue
            return fact.queue
        if isinstance(fact, facts.Acked | facts.Nacked | facts.Rejected):
            # A rollback opens the deliveries of a transaction again.
            forget = self._queues.get if fact.transactional else self._queues.pop
            return forget((fact.connection, fact.channel, fact.tag), None)
        return None
