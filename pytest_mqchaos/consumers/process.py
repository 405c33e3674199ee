"""One process of a consumer, from its start to its end, in a session and process group of its own.

Its end is noticed by a thread that waits for it, not by asking. The kernel keeps a process's number, and the number
of its group, until its parent has fetched the exit code: that is done late, when nothing of the group is left, so
that no signal of ours ever meets a stranger.

```
 starts ──► runs ◄──SIGSTOP/SIGCONT──► stands
              │ exits, is killed
              ▼
            ended (exit code known, number kept) ──► cleared (nothing of its group left, number given back)
```
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Literal

from pytest_mqchaos.consumers import proc
from pytest_mqchaos.errors import ChaosError

__all__ = ["Ender", "Process"]

Ender = Literal["itself", "fault", "plugin"]

_POLL = 0.0005


class Process:
    """A running process group whose leader is our child. Safe to use from any thread."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        """Of the first process, and the number of its group and session."""
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
            self._await_end()
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
        return [] if self._cleared else proc.members(self.pid)

    def children(self) -> list[int]:
        """Return the living children of the first process, oldest first."""
        return proc.children(self.pid) if self.alive else []

    def signal_main(self, number: signal.Signals) -> bool:
        """Signal the first process; one that has ended is left alone. Return whether it was there."""
        with self._lock:
            if self._cleared or not self.alive:
                return False
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)
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
                os.killpg(self.pid, number)
            except ProcessLookupError:
                return
            except PermissionError:
                if self.alive:
                    raise ChaosError(
                        f"process group {self.pid} runs as another user and cannot be sent {number.name}"
                    ) from None

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
            running = proc.unstopped(self.pid)
            if not running:
                return
            if time.monotonic() > deadline:
                states = ", ".join(f"{thread} is in state {state}" for thread, state in running.items())
                raise ChaosError(f"process group {self.pid} did not stop within {timeout:g} s: {states}")
            self.ended.wait(_POLL)  # nothing tells when a group stands

    @property
    def group(self) -> int:
        """The number of its group: that of its first process."""
        return self.pid

    @property
    def stands(self) -> bool:
        """Whether it is stopped right now."""
        return proc.stands(self.pid)

    def halt(self) -> None:
        """Stop the whole group for a moment that `go_on` ends; it does not count as frozen."""
        self.signal_group(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let the group run (SIGCONT), unless it was frozen meanwhile."""
        with self._lock:
            if self.frozen or self._cleared:
                return
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGCONT)

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

    def ask(self, number: signal.Signals | None, by: Ender) -> None:
        """Signal the first process to end, for `by` (None: it was, before); one that is stopped goes on to hear it."""
        self.expect_end(by)
        if number is not None:
            self.signal_main(number)
        self.cont()

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

    def clear_if_gone(self, living: Iterable[proc.Stat] | None = None) -> bool:
        """Give its number back if it ended and nothing of its group is left; return whether that is so."""
        if self._cleared:
            return True
        if not self.ended.is_set():
            return False
        if any(stat.group == self.pid for stat in (proc.snapshot() if living is None else living)):
            return False
        with self._lock:  # a group that is empty stays so: nobody is there to fork into it
            if not self._cleared:
                with suppress(ChildProcessError):
                    os.waitpid(self.pid, os.WNOHANG)
                self._cleared = True
            return True

    def _await_end(self) -> None:
        try:
            if hasattr(os, "waitid"):
                found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
                killed = found is not None and found.si_code != os.CLD_EXITED
                self.exit_code = None if found is None else -found.si_status if killed else found.si_status
            else:  # a system that cannot wait without fetching
                _, status = os.waitpid(self.pid, 0)
                self.exit_code = os.waitstatus_to_exitcode(status)
        except ChildProcessError:
            self.exit_code = None  # somebody else waited for it: how it ended is not known
        self.frozen = False
        self.ended.set()
