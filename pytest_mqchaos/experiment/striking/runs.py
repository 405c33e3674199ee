"""How strikes run: at a frame that is held, at an effect, at a time; each to its end, whatever happens."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.striking.armed import Armed
from pytest_mqchaos.experiment.striking.repeats import Repeats
from pytest_mqchaos.experiment.striking.schedule import Schedule
from pytest_mqchaos.experiment.striking.striker import Nobody, Striker
from pytest_mqchaos.experiment.striking.waiting import Waiting
from pytest_mqchaos.link.held import Held
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.link.tap import Strike
from pytest_mqchaos.model.history import History, now

__all__ = ["Runs"]

_STRIKE_TIMEOUT = 100.0
"""Seconds for one strike; a broker may take 90 to come back."""


class Runs:
    """Runs strikes; on the link's thread only."""

    def __init__(self, history: History, thread: LoopThread, waiting: Waiting) -> None:
        self.striker: Striker = Nobody()
        self.schedule = Schedule(thread.loop)
        self.repeats = Repeats(waiting, self.schedule, self.launch)
        self._history = history
        self._thread = thread
        self._waiting = waiting

    def at_frame(self, due: list[tuple[Armed, str]], link: str) -> Strike:
        """Return the strike of some faults at a frame of a link, one after the other."""
        for armed, _ in due:
            armed.striking = True
        waiting = [self.striker.stand_still(armed, link) for armed, _ in due]

        async def run(held: Held) -> None:
            for (armed, words), go_on in zip(due, waiting, strict=True):
                try:
                    await self._run(armed, held, link, words)
                finally:
                    go_on()

        return run

    def at_effect(self, armed: Armed, words: str, link: str | None) -> asyncio.Task[Any]:
        """Let a fault strike at an effect: nothing that the consumer says from now on is passed on before."""
        go_on = self.striker.stand_still(armed, link)
        relays = list(self.striker.relays_of(link))
        for relay in relays:
            relay.hold()

        async def run() -> None:
            try:
                await self._run(armed, None, link, words)
            finally:
                for relay in relays:
                    relay.release()
                go_on()

        return self._thread.spawn(run())

    def delayed(self, armed: Armed, link: str | None, words: str) -> bool:
        """Let a fault strike later, if its trigger says so; return whether it does."""
        trigger = armed.trigger
        if trigger is None or not trigger.delay or armed.swallow is not None:
            return False
        self.schedule.after(trigger.delay, self.launch, armed, link, words)
        return True

    def launch(self, armed: Armed, link: str | None, words: str) -> None:
        """Let a fault strike now, at no frame; one that has struck, or may not any more, does not."""
        self._waiting.remove(armed)
        if armed.pending and not (armed.striking or armed.withdrawn or self._waiting.over):
            armed.striking, armed.words = True, words
            self._thread.spawn(self._run(armed, None, link, words))

    async def at_start(self, armed: Armed, link: str) -> None:
        """Let a fault that is there from the start strike a link, before anybody connects to it."""
        if not self._waiting.over:
            armed.striking = True
            await self._run(armed, None, link, "from the start")

    async def _run(self, armed: Armed, held: Held | None, link: str | None, words: str) -> None:
        armed.heal, armed.over = None, partial(self.repeats, armed)
        armed.healed.clear()
        armed.since = armed.since or now()
        at_moment = armed.swallow is None
        try:
            async with asyncio.timeout(_STRIKE_TIMEOUT):
                await self.striker(armed, held, link, words)
        except ChaosError as error:
            armed.error = error
        except TimeoutError:
            armed.error = ChaosError(f"{armed.fault} was still striking after {_STRIKE_TIMEOUT:g} s")
        except Exception as error:
            armed.error = ChaosError(f"{armed.fault} failed: {type(error).__name__}: {error}")
        finally:
            armed.striking = False
            if at_moment and armed.swallow is not None and not self._waiting.over:
                self._waiting.add(armed)  # for the frame that it takes
                if armed.fired:  # at an earlier moment: that is over, and nothing is in force
                    armed.healed.set()
            else:
                armed.pending = False
                armed.struck += 1
                armed.done.set()
                if armed.heal is None:
                    armed.healed.set()
                if armed.healed.is_set():
                    self.repeats(armed)
            with self._history.changed:
                self._history.changed.notify_all()
