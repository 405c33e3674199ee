"""Strikes before effects: the probe asks before it writes, and is answered when all that is due has struck.

An effect that nobody asked about is no moment that could be held: where one comes from a consumer without the probe,
the run ends with an error that says so.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from pytest_mqchaos.effects.gate import Gate
from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.consumers.names import scoped
from pytest_mqchaos.experiment.striking.armed import Armed
from pytest_mqchaos.experiment.striking.counts import Counts, counted
from pytest_mqchaos.experiment.striking.runs import Runs
from pytest_mqchaos.experiment.striking.sightings import Order
from pytest_mqchaos.experiment.striking.striker import Nobody, Striker
from pytest_mqchaos.experiment.striking.waiting import Waiting
from pytest_mqchaos.link.listener import listen
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.names import base_name

__all__ = ["Asking"]


class Asking:
    """Counts the effects that are about to be, and lets faults strike before them; on the link's thread.

    Args:
        waiting: the faults that wait.
        counts: of the run.
        order: of the messages.
        runs: runs the strikes.
        read: reads the effects that are there.
    """

    def __init__(
        self, waiting: Waiting, counts: Counts, order: Order, runs: Runs, read: Callable[[], None]
    ) -> None:
        self.striker: Striker = Nobody()
        self._waiting = waiting
        self._counts = counts
        self._order = order
        self._runs = runs
        self._read = read
        self._gate: Gate | None = None
        self._who: Callable[[str, str], tuple[str | None, str | None]] = lambda _name, _entry: (None, None)
        self._probed: Callable[[str | None], bool] = lambda _link: True
        self._turn = asyncio.Lock()
        self._about: Counter[str] = Counter()
        """How many effects of each message were asked about and are not seen yet."""
        self._lock = threading.Lock()

    def bind(
        self,
        directory: Path,
        who: Callable[[str, str], tuple[str | None, str | None]],
        probed: Callable[[str | None], bool],
    ) -> None:
        """Say where the effects files are, who asks about what there, and whether a consumer has the probe."""
        self._gate = Gate(directory, self._asked, self._ended, listen=listen)
        self._who, self._probed = who, probed

    def enlist(self) -> None:
        """Let probes ask while a fault waits for them."""
        if self._gate is None or not any(armed.before_effect for armed in self._waiting):
            return
        if not self._gate.is_open:
            self._read()
            for (kind, consumer, queue), number in list(self._counts.all.items()):
                if kind == "effect":
                    self._counts.all["asked", consumer, queue] = number
            self._gate.open()

    def end(self) -> None:
        """Let nobody ask any more."""
        if self._gate is not None:
            self._gate.close()

    async def _asked(self, name: str, entry: str, port: int) -> None:
        """Return when an effect may be written."""
        link, message = self._who(name, entry)
        if link is None or message is None:
            return
        async with self._turn:  # whoever asks while a fault strikes waits for it: nothing comes later than X
            with self._lock:
                self._about[message] += 1
            self._counts.tick("asked", base_name(link), None)
            for armed in self._waiting.reached(lambda one: self._reached(one, link, message)):
                await self._strike(armed, link, message, port)
            self._shut_if_done()

    def _ended(self, name: str, entry: str) -> None:
        """Count an effect no more that was asked about and never came: its process was killed before it."""
        link, message = self._who(name, entry)
        if link is None or message is None:
            return
        self._read()
        if self._seen(message):
            self._counts.tick("asked", base_name(link), None, by=-1)

    def _seen(self, message: str) -> bool:
        """Take one of a message's effects that are awaited off the list; return whether there was one."""
        with self._lock:
            awaited = self._about[message] > 0
            self._about[message] -= awaited
            return awaited

    def _reached(self, armed: Armed, link: str, message: str) -> bool:
        trigger = armed.trigger
        if trigger is None or not armed.before_effect or armed.swallow is not None:
            return False
        if not scoped(armed.fault, link):
            return False
        if trigger.message is not None:
            return message == self._order.at(trigger.message)
        return trigger.n is not None and self._counts.all["asked", counted(armed.fault), "*"] >= trigger.n

    async def _strike(self, armed: Armed, link: str, message: str, port: int) -> None:
        armed.words, armed.message = f"{armed.trigger} ({message})", message
        armed.port = port
        had_by, connection = self._counts.handed.get(message, (None, None))
        armed.connection = connection if had_by == link else None
        if self._runs.delayed(armed, link, armed.words):
            return
        self.striker.stop_first(armed, link)
        await self._runs.at_effect(armed, armed.words, link)

    def _shut_if_done(self) -> None:
        if self._gate is not None and not any(armed.before_effect for armed in self._waiting):
            self._gate.shut()

    def saw(self, event: facts.Effected) -> None:
        """Take down an effect that is there; called from whichever thread has read it."""
        message = event.message
        if message is None:
            return
        if self._seen(message):
            return
        for armed in self._waiting:
            mine = event.consumer is None or scoped(armed.fault, event.consumer)
            if armed.before_effect and armed.error is None and mine and not self._probed(event.consumer):
                armed.error = ChaosError(
                    f"{armed.fault}: an effect of {event.consumer or event.source} came without asking: only "
                    "probe.effect(id) in a Python consumer can be held before it; use after=effect(n), "
                    "before=ack(n), or before=call(n) of mqchaos.http"
                )
