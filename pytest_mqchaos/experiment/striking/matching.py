"""Which faults an event is the moment of."""

from __future__ import annotations

from pytest_mqchaos.experiment.consumers.names import aimed, scoped
from pytest_mqchaos.experiment.striking.armed import Armed, Swallow
from pytest_mqchaos.experiment.striking.counts import Counts, counted
from pytest_mqchaos.experiment.striking.sightings import Order
from pytest_mqchaos.experiment.striking.striker import Nobody, Striker
from pytest_mqchaos.experiment.striking.waiting import Waiting
from pytest_mqchaos.link.relay import Relay
from pytest_mqchaos.model.triggers import Trigger

__all__ = ["Matching"]


class Matching:
    """Matches what was counted against the faults that wait."""

    def __init__(self, waiting: Waiting, counts: Counts, order: Order) -> None:
        self.striker: Striker = Nobody()
        self._waiting = waiting
        self._counts = counts
        self._order = order

    def due_at(
        self, kind: str, relay: Relay, queue: str | None, message: str | None, *, own: bool = False
    ) -> list[tuple[Armed, str]]:
        """Take out the faults that strike at an event on a connection, each with its moment in words.

        With `own` it is of what a consumer publishes itself.
        """
        due: list[tuple[Armed, str]] = []
        link = relay.observer.link
        for armed in self._waiting:
            trigger = armed.trigger
            if armed.swallow is not None:
                hit = kind == armed.swallow.kind and self._swallows(armed.swallow, relay)
            else:
                hit = (
                    trigger is not None
                    and trigger.kind == kind
                    and (trigger.queue is None or trigger.queue == queue)
                    and (aimed(trigger.by, link) if trigger.by is not None else not own)
                    and (kind in ("publish", "confirm") or scoped(armed.fault, link))
                    and self.reached(armed, trigger, message)
                )
            if hit:
                self._waiting.remove(armed)
                if armed.swallow is None:
                    words = str(armed.trigger) if message is None else f"{armed.trigger} ({message})"
                    armed.words, armed.connection = words, relay.number
                armed.message = message
                due.append((armed, armed.words))
        return due

    def reached(self, armed: Armed, trigger: Trigger, message: str | None) -> bool:
        """Whether an event of a message, which was counted, brings a trigger to its moment."""
        if trigger.message is not None:
            return message is not None and message == self._order.at(trigger.message)
        consumer = counted(armed.fault)
        so_far = self._counts.of(trigger, consumer)
        if trigger.kind in ("effect", "call") and consumer != "*":
            so_far += self._counts.of(trigger, "")  # nobody knows whose: it may be theirs
        return trigger.n is not None and so_far >= trigger.n

    def _swallows(self, swallow: Swallow, relay: Relay) -> bool:
        """Whether a frame of this connection is the one to be lost."""
        if swallow.link is None:
            return aimed(swallow.consumer, relay.observer.link)
        ended = not any(one.number == swallow.connection for one in self.striker.relays_of(swallow.link))
        return relay.observer.link == swallow.link and (ended or relay.number == swallow.connection)
