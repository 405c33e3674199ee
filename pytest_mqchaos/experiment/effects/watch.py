"""When the sources of effects are looked at, besides the moments of settlements."""

from __future__ import annotations

import time
from collections.abc import Callable

from pytest_mqchaos.experiment.effects.board import Board
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.model.events import Lagged
from pytest_mqchaos.model.history import History, now

__all__ = ["EffectsWatch"]

_CALLS_EVERY = 0.05
_FILES_EVERY = 0.02
_LAG = 0.05
"""Seconds that a look may come late before anybody is told; then only when it is worse by a fifth."""


class EffectsWatch:
    """Looks at files now and then on the link's thread, and at callables when the test's thread asks.

    Args:
        board: the sources.
        thread: the link's.
        history: where it stands how late a look came.
        aside: looks at what else is written meanwhile: what producers say they sent, what consumers print.
    """

    def __init__(
        self, board: Board, thread: LoopThread, history: History, aside: Callable[[], None] = lambda: None
    ) -> None:
        self._board = board
        self._thread = thread
        self._history = history
        self._aside = aside
        self._due = float("inf")
        self._worst = _LAG
        self._called = 0.0
        self._over = False
        self.outlets: Callable[[], None] = lambda: None
        """Looks at what consumers publish, where that is a source too."""

    def start(self) -> None:
        """Look at the files from now on: each effect is seen soon after it is there."""
        self._thread.soon(self._look)

    def end(self) -> None:
        """Look no more."""
        self._over = True

    def poll(self) -> None:
        """Read all sources, in this thread; callables not too often."""
        self._board.poll()
        if time.monotonic() - self._called >= _CALLS_EVERY:
            self._board.poll_calls()
            self.outlets()
            self._called = time.monotonic()

    def _look(self) -> None:
        if not self._over:
            self._late(time.monotonic() - self._due)
            try:
                self._board.poll()
                self._aside()
            finally:  # whatever one look met, effects are looked for to the end
                self._due = time.monotonic() + _FILES_EVERY
                self._thread.loop.call_later(_FILES_EVERY, self._look)

    def _late(self, lag: float) -> None:
        """Tell how late a look came, if it is the worst so far: so busy is the machine."""
        if lag > self._worst:
            self._worst = 1.2 * lag
            self._history.append(Lagged(at=now(), seconds=lag))
