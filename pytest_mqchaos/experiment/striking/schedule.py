"""What is to come at a time. While it is paused (somebody sits at a debugger's prompt) no time passes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Schedule"]


@dataclass(slots=True, eq=False)
class _Entry:
    """One call to come.

    Attributes:
        left: seconds that it still had when its time last began to run.
        since: when that was, on the loop's clock.
    """

    call: Callable[[], object]
    left: float
    since: float
    timer: asyncio.TimerHandle | None = None


class Schedule:
    """Calls functions later, on a loop; used on the loop's thread only."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._entries: set[_Entry] = set()
        self._paused = False

    def after(self, seconds: float, function: Callable[..., object], *arguments: object) -> None:
        """Call a function in so many seconds; at once where they are not above 0."""
        entry = _Entry(lambda: function(*arguments), max(0.0, seconds), self._loop.time())
        self._entries.add(entry)
        if not self._paused:
            self._run(entry)

    def pause(self) -> None:
        """Let no time pass from now on; one that is paused stays so."""
        if self._paused:
            return
        self._paused = True
        for entry in self._entries:
            if entry.timer is not None:
                entry.timer.cancel()
            entry.left = max(0.0, entry.left - (self._loop.time() - entry.since))

    def resume(self) -> None:
        """Let time pass again."""
        if not self._paused:
            return
        self._paused = False
        for entry in self._entries:
            self._run(entry)

    def _run(self, entry: _Entry) -> None:
        entry.since = self._loop.time()
        entry.timer = self._loop.call_later(entry.left, self._come, entry)

    def _come(self, entry: _Entry) -> None:
        self._entries.discard(entry)
        entry.call()
