"""One process of a consumer, from its start to its end, in a session and process group of its own.

Its end is noticed by a thread that waits for it, not by asking.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from pytest_mqchaos.consumers import proc
from pytest_mqchaos.consumers.forked import fork
from pytest_mqchaos.errors import ChaosError, UsageError

__all__ = ["Process"]


class Process:
    """A running process group.

    `exit_code` is None while it runs, then as of `subprocess`: negative for a signal.
    """

    def __init__(self, pid: int, on_exit: Callable[[Process], None]) -> None:
        self.pid = pid
        self.exit_code: int | None = None
        self.ended = threading.Event()
        self.frozen = False
        self._on_exit = on_exit
        threading.Thread(target=self._wait, name=f"mqchaos waits for {pid}", daemon=True).start()

    @classmethod
    def of_command(
        cls,
        words: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        output: Path,
        on_exit: Callable[[Process], None],
    ) -> Process:
        """Start a command; its output goes to the end of a file.

        Raises:
            UsageError: if it cannot be run.
        """
        __tracebackhide__ = True
        with output.open("ab") as sink:
            try:
                started = subprocess.Popen(
                    list(words),
                    env=dict(env),
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                raise UsageError(f"consumer({words[0]!r}): {getattr(error, 'strerror', None) or error}") from None
        started.returncode = 0  # we wait for the process ourselves; Popen need not warn that nobody did
        return cls(started.pid, on_exit)

    @classmethod
    def of_callable(
        cls,
        call: Callable[[], object],
        *,
        env: Mapping[str, str],
        cwd: Path,
        output: Path,
        guard: AbstractContextManager[None],
        on_exit: Callable[[Process], None],
    ) -> Process:
        """Fork a process for a Python callable; see `forked`."""
        return cls(fork(call, env=env, cwd=cwd, output=output, guard=guard), on_exit)

    @property
    def alive(self) -> bool:
        """Whether it has not ended; a frozen one has not."""
        return not self.ended.is_set()

    def members(self) -> list[int]:
        """The living processes of its group."""
        return proc.members(self.pid)

    def signal_main(self, number: signal.Signals) -> None:
        """Signal the first process; one that has ended is left alone."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def signal_group(self, number: signal.Signals) -> None:
        """Signal the whole group; one that is gone is left alone."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def stop_and_wait(self, timeout: float) -> None:
        """Stop the whole group, and return when the kernel says that every process of it stands.

        Raises:
            ChaosError: if one runs on after `timeout` seconds.
        """
        self.frozen = True
        self.signal_group(signal.SIGSTOP)
        deadline = time.monotonic() + timeout
        while True:
            running = {pid: state for pid, state in proc.states(self.pid).items() if state not in "Tt"}
            if not running or not self.alive:
                return
            if time.monotonic() > deadline:
                raise ChaosError(f"process group {self.pid} did not stop within {timeout:g} s: {running}")
            time.sleep(0.0005)  # a bounded poll of the kernel: nothing tells when a group stands

    def cont(self) -> None:
        """Let the group go on."""
        self.frozen = False
        self.signal_group(signal.SIGCONT)

    def end_group(self, timeout: float = 10.0) -> None:
        """Kill what is left of the group, and return when nothing of it is.

        Raises:
            ChaosError: if something is left after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            self.signal_group(signal.SIGKILL)
            left = self.members()
            if not left and self.ended.wait(0.05):
                return
            if time.monotonic() > deadline:
                raise ChaosError(f"process group {self.pid} is still there {timeout:g} s after SIGKILL: {left}")
            self.ended.wait(0.005)

    def _wait(self) -> None:
        try:
            _, status = os.waitpid(self.pid, 0)
            self.exit_code = os.waitstatus_to_exitcode(status)
        except ChildProcessError:
            self.exit_code = 0  # somebody else waited for it: how it ended is not known
        self.ended.set()
        self._on_exit(self)
