"""The course of every strike: X arrives or dies, the strike stands in the history, and in the end it is healed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.links import Link
from pytest_mqchaos.experiment.striking.armed import Armed
from pytest_mqchaos.experiment.striking.moment import Moment
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import History, now

__all__ = ["Course"]

_HEAL_TIMEOUT = 120.0
"""Seconds for the end of any fault: a broker may take 90 to come back."""


class Course:
    """What the strikes of all faults have in common."""

    def __init__(self, history: History, thread: LoopThread) -> None:
        self._history = history
        self._thread = thread

    def fired_on(self, moment: Moment, links: Sequence[Link], actor: str) -> None:
        """Record a strike on connections, before it is felt: it changes something if there is one."""
        felt = any(link.wire.connected() for link in links)
        self.fired(moment, [link.name for link in links], changed=felt, actor=actor)

    async def settle_x(self, moment: Moment) -> None:
        """Let X arrive, or die, as the moment says; one that may not have arrived is told."""
        if not await moment.settle_x():
            text = f"{moment.fault}: {moment.words} was passed on, and had not surely arrived when it struck"
            self._history.append(facts.Noted(at=now(), text=text))

    def note(self, text: facts.Noted) -> None:
        """Record what a reader should know of a strike."""
        self._history.append(text)

    def fired(self, moment: Moment, targets: Sequence[str], *, changed: bool, actor: str) -> None:
        """Record a strike: at whom, by whom, and whether there was anything to change."""
        armed = moment.armed
        armed.fired = True
        held = moment.held
        self._history.append(
            facts.FaultFired(
                at=now(),
                fault=armed.number,
                description=str(armed.fault),
                target=", ".join(targets),
                changed=changed and bool(targets),
                actor=actor,
                trigger=moment.words,
                message=armed.message if held is not None or armed.before_effect else None,
                delay=0.0 if held is None else (now() - held.at) / 1e9,
            )
        )

    def healed(self, armed: Armed, *, idle: bool = False) -> None:
        """Record that a fault is over, once; `idle` says that nobody came to feel it."""
        if not armed.healed.is_set():
            self._history.append(facts.FaultHealed(at=now(), fault=armed.number, idle=idle))
            armed.healed.set()
            if armed.over is not None and not armed.striking:
                armed.over()

    def lasts(self, armed: Armed, end: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Let a fault last until it is healed, by `end`."""
        under_way: list[asyncio.Task[None]] = []

        async def finish() -> None:
            try:
                async with asyncio.timeout(_HEAL_TIMEOUT):
                    await end()
            except Exception as error:  # whoever asked for it may look away
                told = self.unhealed(armed, error)
                raise told from None if told is error else error

        async def heal() -> None:
            # By hand and by its duration, at the same time: it is done once, and nobody's haste cuts it short.
            if not under_way:
                under_way.append(self._thread.spawn(finish()))
            await asyncio.shield(under_way[0])

        armed.heal = heal

    def unhealed(self, armed: Armed, error: Exception) -> ChaosError:
        """Take down why a fault could not be healed, and return that: such a run is never judged."""
        if isinstance(error, ChaosError):
            told = error
        elif isinstance(error, TimeoutError):
            told = ChaosError(f"healing {armed.fault} took longer than {_HEAL_TIMEOUT:g} s")
        else:
            told = ChaosError(f"healing {armed.fault} failed: {type(error).__name__}: {error}")
        armed.error = told
        armed.healed.set()
        return told

    async def heal_later(self, armed: Armed, duration: float) -> None:
        """Heal this strike of a fault when its duration is over; a later strike of it is healed by its own."""
        heal = armed.heal
        await asyncio.sleep(duration)  # the fault's own duration, not a wait for a fact
        if heal is not None:
            with suppress(ChaosError):  # it is taken down
                await heal()
