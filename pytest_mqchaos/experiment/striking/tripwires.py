"""Tripwires (see `link.tripwire`) where what a consumer sends next may be the moment of a strike on its processes."""

from __future__ import annotations

from pytest_mqchaos.experiment.consumers.names import scoped
from pytest_mqchaos.experiment.striking.armed import Armed
from pytest_mqchaos.experiment.striking.counts import Counts, counted
from pytest_mqchaos.experiment.striking.sightings import Order
from pytest_mqchaos.experiment.striking.striker import Nobody, Striker
from pytest_mqchaos.experiment.striking.waiting import Waiting

__all__ = ["Tripwires"]


class Tripwires:
    """Sets and clears the tripwires of a run; on the link's thread only."""

    def __init__(self, waiting: Waiting, counts: Counts, order: Order) -> None:
        self.striker: Striker = Nobody()
        self.set = False
        """Whether tripwires may be set."""
        self._waiting = waiting
        self._counts = counts
        self._order = order

    def adjust(self) -> None:
        """Let the kernel stop a consumer when it sends, wherever that may be X for its processes."""
        wanted = [armed for armed in self._waiting if _at_what_it_sends(armed)]
        if not wanted and not self.set:
            return
        self.set = bool(wanted)
        for relay in self.striker.relays_of(None):
            link = relay.observer.link
            near = any(self._near(armed, link) for armed in wanted)
            client = self.striker.client_of(link) if near else None
            if client is None:
                relay.slacken()
            else:
                relay.tighten(client)

    def _near(self, armed: Armed, link: str) -> bool:
        """Whether what a consumer sends next may be X: it has enough in hand."""
        trigger = armed.trigger
        if trigger is None or not scoped(armed.fault, link):
            return False
        if trigger.message is not None:
            return self._order.at(trigger.message) in self._counts.handed
        return (
            trigger.n is not None
            and self._counts.of(trigger, counted(armed.fault)) + max(self._counts.in_hand, 1) >= trigger.n
        )


def _at_what_it_sends(armed: Armed) -> bool:
    """Whether a fault strikes a consumer's processes at a frame of their own, or at an effect before one."""
    trigger = armed.trigger
    return (
        armed.fault.family == "process"
        and trigger is not None
        and (
            trigger.kind in ("ack", "nack", "effect")
            or (trigger.kind == "publish" and trigger.by is not None)
        )
        and not trigger.delay
        and not armed.before_effect
    )
