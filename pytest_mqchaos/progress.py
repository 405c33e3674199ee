"""The live line of a terminal: shown while servers start and a run is in flight, gone before pytest prints again.

```
test_orders.py ..                      <- pytest's line; the cursor stays in it, where pytest left it
120 published, 3 in flight, ...        <- ours, on the line below
```
While a test runs pytest prints nothing: what goes to standard output then is captured. So the line is written past
the capture, to a duplicate of the terminal's descriptor, by a thread of its own; it begins after a moment, so that
quick tests never see it. It moves by relative steps, which stay right when the screen scrolls. Whoever suspends the
capture (`capsys.disabled()`, a debugger) writes to the terminal itself: then the line goes first, and stays away until
pytest has begun a line of its own, since nobody knows where the cursor is.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from pytest_mqchaos.fixtures import SCREEN
from pytest_mqchaos.options import on_ci
from pytest_mqchaos.reproduce import COMMAND
from pytest_mqchaos.xdist import worker_id

__all__ = ["Screen", "forget", "keep"]

_FIRST = 0.4
"""Seconds before the line is shown."""
_EVERY = 0.2
"""Seconds between two looks."""

Look = Callable[[int], str]
"""Returns the line in at most so many characters, all of them one column wide."""


def keep(config: pytest.Config) -> None:
    """Keep the terminal for the live line, where one is wanted: nobody reads it in a log or in a quiet session."""
    wanted = (
        not on_ci()
        and not worker_id(config)
        and (
            config.getoption("verbose", 0) >= 0 or COMMAND in config.stash
        )  # `try` says little, and is watched
        and config.getoption("capture", "no") != "no"
        and not config.getoption("log_cli_level", None)
        and not _logs_live(config)
    )
    if wanted:
        config.stash[SCREEN] = Screen(config, os.dup(sys.stdout.fileno()))


def _logs_live(config: pytest.Config) -> bool:
    """Whether log records are printed while tests run."""
    try:
        return bool(config.getini("log_cli"))
    except (KeyError, ValueError):
        return False


def forget(config: pytest.Config) -> None:
    """Give the terminal back."""
    screen = config.stash.get(SCREEN, None)
    if isinstance(screen, Screen):
        del config.stash[SCREEN]
        screen.close()


class Screen:
    """The terminal, past pytest's capture.

    Args:
        config: of the session; its reporter says where the cursor is.
        descriptor: of the terminal; `close` closes it.
    """

    def __init__(self, config: pytest.Config, descriptor: int) -> None:
        self._config = config
        self._descriptor = descriptor
        self._left = threading.Event()
        """Set when somebody else has taken the terminal: until the next `showing` it is left alone."""
        self._turn = threading.RLock()
        """Held while the line is written, or taken away."""
        self._lost_at: int | None = None
        """How wide pytest's line was, as it knows, when somebody else wrote behind it."""

    @contextmanager
    def showing(self, look: Look) -> Iterator[None]:
        """Show the line meanwhile; at the end it is gone."""
        column = self._column()
        if column is None:
            yield
            return
        self._left.clear()
        over, drawn = threading.Event(), threading.Event()
        thread = threading.Thread(
            target=self._draw, args=(look, column, over, drawn), name="mqchaos-progress", daemon=True
        )
        thread.start()
        try:
            with self._giving_way(column, drawn):
                yield
        finally:
            over.set()
            thread.join()
            if drawn.is_set() and not self._left.is_set():
                self._write("", column)

    @contextmanager
    def _giving_way(self, column: int, drawn: threading.Event) -> Iterator[None]:
        """Take the line away whenever pytest's capture is suspended meanwhile."""
        manager: Any = self._config.pluginmanager.get_plugin("capturemanager")
        if manager is None:
            yield
            return
        suspend = manager.suspend_global_capture

        def give_way(*args: Any, **options: Any) -> None:
            with self._turn:
                if drawn.is_set() and not self._left.is_set():
                    self._write("", column)
                self._left.set()
                self._lost_at = self._config.get_terminal_writer().width_of_current_line
            suspend(*args, **options)

        manager.suspend_global_capture = give_way
        try:
            yield
        finally:
            vars(manager).pop("suspend_global_capture", None)

    def leave(self) -> None:
        """Leave the terminal to a debugger at once: what pytest prints for it covers the line."""
        self._left.set()

    def close(self) -> None:
        """Close the descriptor."""
        with suppress(OSError):
            os.close(self._descriptor)

    def _column(self) -> int | None:
        """Return where in its line the cursor is, from 0; None where nothing should be drawn."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if type(reporter) is not pytest.TerminalReporter:  # another one may draw lines of its own
            return None
        writer = self._config.get_terminal_writer()
        if self._lost_at is not None and writer.width_of_current_line >= self._lost_at:
            return None
        self._lost_at = None
        try:
            column = writer.width_of_current_line % os.get_terminal_size(self._descriptor).columns
        except (OSError, ZeroDivisionError):  # a terminal of no size
            return None
        # in the last column a terminal waits with the line's break, and no sequence brings that back
        at_the_edge = column == 0 and writer.width_of_current_line > 0
        return None if at_the_edge or not writer.hasmarkup else column

    def _draw(self, look: Look, column: int, over: threading.Event, drawn: threading.Event) -> None:
        wait = _FIRST
        while not over.wait(wait) and not self._left.is_set():
            wait = _EVERY
            try:
                text = look(os.get_terminal_size(self._descriptor).columns - 1)
                with self._turn:
                    if sys.stdout.isatty():  # not captured just now: pytest prints, for a debugger
                        self._left.set()
                    elif not over.is_set() and not self._left.is_set():
                        drawn.set()
                        self._write(text, column)
            except Exception:
                return  # an ornament: a run is not disturbed for it

    def _write(self, text: str, column: int) -> None:
        """Put a text on the line below, in place of what is there, and the cursor back to its column."""
        with suppress(OSError):
            os.write(
                self._descriptor, f"\n\r\x1b[K{text}\x1b[1A\x1b[{column + 1}G".encode("ascii", "replace")
            )
