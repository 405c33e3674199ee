"""Strikes at effects: whoever reads one, it strikes before anything that the consumer says behind it is passed on."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from pytest_mqchaos.experiment.consumers.names import scoped
from pytest_mqchaos.experiment.striking.armed import Armed
from pytest_mqchaos.experiment.striking.counts import Counts
from pytest_mqchaos.experiment.striking.matching import Matching
from pytest_mqchaos.experiment.striking.runs import Runs
from pytest_mqchaos.experiment.striking.striker import Nobody, Striker
from pytest_mqchaos.experiment.striking.waiting import Waiting
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.link.relay import Relay
from pytest_mqchaos.link.tap import Strike
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.names import base_name

__all__ = ["Effects"]


class Effects:
    """Counts effects and lets faults strike at them.

    Args:
        thread: the link's thread.
        waiting: the faults that wait.
        counts: of the run.
        matching: says which faults an effect is the moment of.
        runs: runs the strikes.
        read: reads the effects files; its events come back through `saw`.
    """

    def __init__(
        self,
        thread: LoopThread,
        waiting: Waiting,
        counts: Counts,
        matching: Matching,
        runs: Runs,
        read: Callable[[], None],
    ) -> None:
        self.striker: Striker = Nobody()
        self.read = read
        self._thread = thread
        self._waiting = waiting
        self._counts = counts
        self._matching = matching
        self._runs = runs
        self._due: deque[tuple[Armed, str, str | None]] = deque()
        """Faults that an effect has made due: the fault, the effect in words, its link."""
        self._polling: asyncio.Task[Any] | None = None

    @property
    def due(self) -> bool:
        """Whether the moment of a fault has come that has not begun to strike."""
        return bool(self._due)

    def poll(self) -> None:
        """Read the effects from now on while a fault waits for one, also where no settlement comes by."""
        if self._polling is None:
            self._polling = self._thread.spawn(self._poll())

    async def _poll(self) -> None:
        while any(_awaits_effect(armed) for armed in self._waiting):
            self.read()
            await asyncio.sleep(0.005)  # the interval of a poll: files do not call back
        self._polling = None

    def before_settlement(self, relay: Relay) -> Strike | None:
        """Read the effects before a settlement is passed on; return the strikes that are due on this link by then.

        The settlement is the first frame behind the effect: it plays the part of X under *before*.
        """
        self.read()
        own = relay.observer.link
        here: list[tuple[Armed, str]] = []
        for armed, words, link in self.take_due():
            if link in (None, own) and _is_place_of(armed, relay):
                armed.position = "before"
                here.append((armed, words))
            else:
                self._runs.at_effect(armed, words, link)
        return self._runs.at_frame(here, own) if here else None

    def take_due(self) -> list[tuple[Armed, str, str | None]]:
        """Take out the faults that are due: each with its effect in words, and its link."""
        taken: list[tuple[Armed, str, str | None]] = []
        while self._due:
            taken.append(self._due.popleft())
        return taken

    def saw(self, event: facts.Effected) -> None:
        """Count an effect, and stop who is to be struck at it; called from whichever thread has read it.

        The strike is the link thread's, before it passes on the next settlement.
        """
        message = event.message
        if message is None:
            return
        had_by, connection = self._counts.handed.get(message, (None, None))
        link = event.consumer or had_by
        for _ in range(event.count):
            self._counts.tick("effect", "" if link is None else base_name(link), None)
            reached = self._waiting.reached(lambda one: self._reached_by_effect(one, link, message))
            for armed in reached:
                armed.connection = connection if link == had_by else None
                self._due_by_effect(armed, link, message)

    def _reached_by_effect(self, armed: Armed, link: str | None, message: str) -> bool:
        trigger = armed.trigger
        if trigger is None or not _awaits_effect(armed):
            return False
        return (link is None or scoped(armed.fault, link)) and self._matching.reached(armed, trigger, message)

    def _due_by_effect(self, armed: Armed, link: str | None, message: str) -> None:
        armed.words = words = f"{armed.trigger} ({message})"
        armed.message = message
        if armed.trigger is not None and armed.trigger.delay:
            self._thread.soon(self._runs.delayed, armed, link, words)
            return
        self.striker.stop_first(armed, link or "")
        self._due.append((armed, words, link))
        self._thread.soon(self._strike_effects)

    def _strike_effects(self) -> None:
        for armed, words, link in self.take_due():
            self._runs.at_effect(armed, words, link)


def _awaits_effect(armed: Armed) -> bool:
    of_effect = armed.trigger is not None and armed.trigger.kind == "effect" and armed.swallow is None
    return of_effect and not armed.before_effect


def _is_place_of(armed: Armed, relay: Relay) -> bool:
    """Whether a settlement here may be what a fault strikes at behind an effect; a lost ack is of one connection."""
    return armed.fault.family != "protocol" or armed.connection in (None, relay.number)
