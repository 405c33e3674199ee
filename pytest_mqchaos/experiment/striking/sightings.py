"""How often the moment of one message was seen: read off the history, for `message=` in triggers.

A message is named by its place in the order of publishing, poison counted like the others, one publication behind
the other. That order is planned before the first byte is sent, so the same seed names the same message. A
settlement carries no queue of its own: it is that of the delivery it settles.
"""

from __future__ import annotations

from pytest_mqchaos.experiment.consumers.names import scoped
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.events import Event
from pytest_mqchaos.model.faults import Fault
from pytest_mqchaos.model.history import History
from pytest_mqchaos.model.triggers import Trigger

__all__ = ["KINDS", "OWN_KINDS", "Order", "Sightings"]

KINDS: dict[type, str] = {
    facts.Published: "publish",
    facts.Confirmed: "confirm",
    facts.Delivered: "delivery",
    facts.Acked: "ack",
    facts.Nacked: "nack",
    facts.Rejected: "nack",
    facts.Effected: "effect",
    facts.Called: "call",
}
"""The kind of trigger that a fact is a moment of."""
OWN_KINDS: dict[type, str] = {
    facts.Republished: "publish",
    facts.Emitted: "publish",
    facts.OwnConfirmed: "confirm",
}
"""Likewise of what a consumer publishes itself: it counts where a trigger names it (`by=`), and there alone."""
_FROM_BROKER = (facts.Confirmed, facts.Delivered)
_NAMING = facts.Effected | facts.Called
"""What names the consumer that it is of."""
_SETTLED = facts.Acked | facts.Nacked | facts.Rejected


class Order:
    """The messages of a run by their place in the order of publishing, counted from 1."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._ids: list[str] = []

    def at(self, place: int) -> str | None:
        """The id of the message at a place; None if none was planned there so far."""
        if place > len(self._ids):
            with self._history.changed:
                self._ids = list(self._history.messages)
        return self._ids[place - 1] if place <= len(self._ids) else None


class Sightings:
    """Counts the events of one trigger with `message=`.

    What a client says counts when it was sent, what a broker says when it arrived.

    Args:
        history: of the run.
        trigger: names a message, and maybe a queue.
        fault: whose `consumer=` narrows it.
    """

    def __init__(self, history: History, trigger: Trigger, fault: Fault | None = None) -> None:
        self._history = history
        self._trigger = trigger
        self._fault = fault
        self._order = Order(history)
        self._read = 0
        self._queues: dict[tuple[int, int, int], str] = {}
        self._found: list[Event] = []

    def count(self, *, arrived: bool = False) -> int:
        """How often it was seen so far; with `arrived`, only what reached its receiver."""
        place = self._trigger.message
        message = None if place is None else self._order.at(place)
        if message is None:
            return 0
        fresh = self._history[self._read : len(self._history)]
        self._read += len(fresh)
        self._found += [event for event in fresh if self._is_one(event, message)]
        return sum(1 for event in self._found if not arrived or getattr(event, "passed", True))

    def _is_one(self, event: Event, message: str) -> bool:
        if getattr(event, "message", None) != message:
            return False
        queue = self._queue_of(event)
        if KINDS.get(type(event)) != self._trigger.kind or self._trigger.queue not in (None, queue):
            return False
        if self._trigger.service not in (None, getattr(event, "source", None)):
            return False
        if isinstance(event, _FROM_BROKER) and not event.passed:
            return False
        link = getattr(event, "consumer" if isinstance(event, _NAMING) else "link", None)
        consumed = self._trigger.kind not in ("publish", "confirm")
        return not (self._fault and consumed and link) or scoped(self._fault, link)

    def _queue_of(self, event: Event) -> str | None:
        if isinstance(event, facts.Delivered):
            self._queues[event.connection, event.channel, event.tag] = event.queue
            return event.queue
        if isinstance(event, _SETTLED):
            return self._queues.get((event.connection, event.channel, event.tag))
        return None
