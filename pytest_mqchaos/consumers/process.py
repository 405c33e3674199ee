"""One process of a consumer, from its start to its end, with all that it starts itself: a group, or a container.

Its end is noticed by a thread that waits for it, not by asking. What signals and sees it is its handle (see `handle`),
which is released late, when nothing of it is left, so that no signal of ours ever meets a stranger.

```
 starts ──► runs ◄──SIGSTOP/SIGCONT──► stands
              │ exits, is killed
              ▼
            ended (exit code known, handle kept) ──► cleared (nothing of its group left, handle released)
```
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Literal

from pytest_mqchaos.consumers import proc
from pytest_mqchaos.consumers.handle import Group, Handle
from pytest_mqchaos.errors import ChaosError

__all__ = ["Ender", "Process"]

Ender = Literal["itself", "fault", "plugin"]

_POLL = 0.0005


class Process:
    """A running process and what it starts: a group whose leader is our child, or what its handle says. Thread-safe."""

    def __init__(self, pid: int, handle: Handle | None = None) -> None:
        self.pid = pid
        """Of the first process."""
        self._handle: Handle = Group(pid) if handle is None else handle
        self.exit_code: int | None = None
        """None while it runs, then as of `subprocess`: negative for a signal. None for ever if another waited."""
        self.started = time.monotonic()
        self.ended = threading.Event()
        self.handled = threading.Event()
        """Set when whoever watches it was told of its end."""
        self.frozen = False
        self._lock = threading.Lock()
        self._cleared = False
        self._expected: tuple[Ender, float, int | None] | None = None

    def watch(self, on_exit: Callable[[Process], None]) -> None:
        """Wait for its end on a thread of its own, and call `on_exit` there."""

        def wait() -> None:
            self.exit_code = self._handle.wait()
            self.frozen = False
            self.ended.set()
            try:
                on_exit(self)
            finally:
                self.handled.set()
                self.clear_if_gone()

        threading.Thread(target=wait, name=f"mqchaos-waits-for-{self.pid}", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether it has not ended; a frozen one has not."""
        return not self.ended.is_set()

    @property
    def cleared(self) -> bool:
        """Whether it ended, and nothing of its group is left."""
        return self._cleared

    def expect_end(self, by: Ender, *, code: int | None = None, within: float = float("inf")) -> None:
        """Say who ends it, before it is done.

        Args:
            by: who.
            code: another exit code than this is none of their doing.
            within: nor is an end more than as many seconds from now.
        """
        self._expected = (by, time.monotonic() + within, code)

    @property
    def ender(self) -> Ender:
        """Who ended it, or would have if it ended now."""
        if self._expected is None:
            return "itself"
        by, until, code = self._expected
        other = code is not None and self.exit_code not in (None, code)
        return "itself" if other or time.monotonic() > until else by

    def members(self) -> list[int]:
        """Return the living processes of its group."""
        return [] if self._cleared else self._handle.members()

    def children(self) -> list[int]:
        """Return the living children of the first process, oldest first."""
        return self._handle.children() if self.alive else []

    def connections(self) -> set[tuple[str, int]]:
        """Return the remote ends of the TCP connections that its group made or tries to make."""
        return self._handle.connections() if self.alive else set()

    def signal_main(self, number: signal.Signals) -> bool:
        """Signal the first process; one that has ended is left alone. Return whether it was there."""
        with self._lock:
            if self._cleared or not self.alive:
                return False
            with suppress(ProcessLookupError):
                self._handle.signal_main(number)
                return True
            return False

    def signal_group(self, number: signal.Signals) -> None:
        """Signal the whole group, as far as there is any.

        Raises:
            ChaosError: if it runs as another user.
        """
        with self._lock:
            if self._cleared:
                return
            try:
                self._handle.signal_all(number)
            except ProcessLookupError:
                return
            except ChaosError:
                if self.alive:
                    raise

    def stop(self) -> None:
        """Stop the whole group (SIGSTOP), without waiting until it stands."""
        self.frozen = True
        self.signal_group(signal.SIGSTOP)

    def wait_stopped(self, timeout: float) -> None:
        """Return when the kernel says that every thread of every process of the group stands, or is gone.

        Raises:
            ChaosError: if one runs on after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while self.alive:
            running = self._handle.unstopped()
            if not running:
                return
            if time.monotonic() > deadline:
                states = ", ".join(f"{thread} is in state {state}" for thread, state in running.items())
                raise ChaosError(f"{self._handle.what} did not stop within {timeout:g} s: {states}")
            self.ended.wait(_POLL)  # nothing tells when a group stands

    @property
    def group(self) -> int:
        """The number of its group that sends on the link."""
        return self._handle.group

    @property
    def blur(self) -> str:
        """Why a fault at what it sends itself strikes late; empty where it does not."""
        return self._handle.blur

    @property
    def asking(self) -> str:
        """The name of the signal that asks it to end."""
        return self._handle.asking

    @property
    def stands(self) -> bool:
        """Whether it is stopped right now."""
        return self._handle.stands

    def halt(self) -> None:
        """Stop that group for a moment that `go_on` ends; it does not count as frozen."""
        with self._lock, suppress(ProcessLookupError, PermissionError):
            if not self._cleared:
                self._handle.signal_group(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let the group run (SIGCONT), unless it was frozen meanwhile."""
        with self._lock:
            if self.frozen or self._cleared:
                return
            with suppress(ProcessLookupError, PermissionError):
                self._handle.signal_group(signal.SIGCONT)

    def cont(self) -> None:
        """Let the group go on (SIGCONT)."""
        self.frozen = False
        self.signal_group(signal.SIGCONT)

    def wait_gone(self, timeout: float) -> bool:
        """Wait until nothing of its group is left; return whether that is so."""
        deadline = time.monotonic() + timeout
        pause = _POLL
        while not self.clear_if_gone():
            if time.monotonic() > deadline:
                return False
            if self.ended.wait(pause):
                time.sleep(pause)  # orphans: nothing tells when they end
            pause = min(2 * pause, 0.01)
        return True

    def ask(self, number: signal.Signals | None, by: Ender) -> bool:
        """Signal the first process to end, for `by` (None: it was, before); one that is stopped goes on to hear it.

        Returns:
            Whether it can hear that.
        """
        self.expect_end(by)
        heard = True
        with self._lock, suppress(ProcessLookupError):
            if number is not None and self.alive and not self._cleared:
                heard = self._handle.ask(number, plugin=by == "plugin")
        self.cont()
        return heard

    def finish(self, grace: float, *, killing: float) -> float:
        """Wait for its end, which it was asked for, and kill its group after `grace` seconds.

        Once the first process has ended, what is left of its group is asked (SIGTERM) too.

        Args:
            grace: seconds for its end and its group's.
            killing: seconds for the kernel to kill what is left then, and for whoever watches to be told.

        Returns:
            The seconds it took.
        """
        started = time.monotonic()
        if self.ended.wait(grace) and not self.clear_if_gone():
            self.signal_group(signal.SIGTERM)
        if not self.wait_gone(max(0.0, grace - (time.monotonic() - started))):
            self.signal_group(signal.SIGKILL)
            self.wait_gone(killing)
        self.handled.wait(killing)
        return time.monotonic() - started

    def clear_if_gone(self, living: Sequence[proc.Stat] | None = None) -> bool:
        """Release its handle if it ended and nothing of its group is left; return whether that is so."""
        if self._cleared:
            return True
        if not self.ended.is_set():
            return False
        if not self._handle.empty(living):
            return False
        with self._lock:  # what is empty stays so
            if not self._cleared:
                self._handle.release()
                self._cleared = True
            return True
