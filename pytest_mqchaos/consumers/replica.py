"""One replica of a consumer: a link, an effects file and an output that stay, and processes that come and go."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pytest_mqchaos.consumers import proc
from pytest_mqchaos.consumers.addresses import LinkAddress
from pytest_mqchaos.consumers.process import Process
from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import History, now

__all__ = ["Replica", "Restart"]

Restart = Literal["on-fault", "always", "never"]
Ender = Literal["itself", "fault", "plugin"]

_MOST_RESTARTS = 20
_KILL_TIMEOUT = 10.0
_TAIL = 15


class Replica:
    """One replica; its methods are safe from any thread.

    Args:
        link: its address.
        effects: its effects file, the same across restarts.
        output: the file that all its processes write to.
        launch: starts a process of it; called with what to do at its end.
        restart: when it is started again.
        restart_delay: seconds before that.
        history: where its starts and ends go.
    """

    def __init__(
        self,
        *,
        link: LinkAddress,
        effects: Path,
        output: Path,
        launch: Callable[[Callable[[Process], None]], Process],
        restart: Restart,
        restart_delay: float,
        history: History,
    ) -> None:
        self.name = link.name
        self.link = link
        self.effects = effects
        self.output_path = output
        self.processes: list[Process] = []
        self._launch = launch
        self._restart = restart
        self._restart_delay = restart_delay
        self._history = history
        self._lock = threading.RLock()
        self._ender: Ender = "itself"
        self._restarts = 0
        self._restarting = False
        self._over = threading.Event()
        self.trouble: ChaosError | None = None
        """Why it could not be started again."""

    # --- state ---

    @property
    def process(self) -> Process | None:
        """The present process, or the last one."""
        return self.processes[-1] if self.processes else None

    @property
    def alive(self) -> bool:
        """Whether a process of it runs; a frozen one does."""
        return self.process is not None and self.process.alive

    @property
    def restarting(self) -> bool:
        """Whether it is about to be started again."""
        return self._restarting

    @property
    def frozen(self) -> bool:
        """Whether its processes are stopped."""
        return self.alive and self.process is not None and self.process.frozen

    @property
    def pid(self) -> int | None:
        """The pid of its first process, None while there is none."""
        return self.process.pid if self.process is not None and self.process.alive else None

    @property
    def exit_code(self) -> int | None:
        """How the last process ended, negative for a signal; None while it runs."""
        return None if self.process is None else self.process.exit_code

    @property
    def output(self) -> str:
        """All that its processes wrote, undecodable bytes escaped."""
        try:
            return self.output_path.read_bytes().decode(errors="backslashreplace")
        except OSError:
            return ""

    def describe_failure(self) -> str:
        """How it ended, and the tail of its output."""
        code = self.exit_code
        if code is None:
            how = "it still runs" if self.alive else "it was not started"
        elif code < 0:
            how = f"killed by {_signal_name(-code)}"
        else:
            how = f"exit code {code}"
        tail = "\n".join(self.output.rstrip().splitlines()[-_TAIL:])
        return f"{how}; its last output:\n{tail}" if tail else f"{how}; it wrote nothing"

    def foreign_connections(self) -> list[str]:
        """Remote ends of its TCP connections besides its link, as `host:port`."""
        if self.process is None:
            return []
        found = proc.connections(self.process.pid) - {(self.link.host, self.link.port)}
        return sorted(f"{host}:{port}" for host, port in found)

    # --- start and end ---

    def start(self) -> None:
        """Start it.

        Raises:
            UsageError: if it cannot be run.
        """
        __tracebackhide__ = True
        with self._lock:
            if self._over.is_set():
                return
            self._ender = "itself"
            process = self._launch(self._ended)
            self.processes.append(process)
            self._history.append(facts.ConsumerStarted(at=now(), consumer=self.name, pid=process.pid))

    def crash(self, process: str = "group", *, by: Ender = "fault") -> bool:
        """Kill it (SIGKILL) and return once it is dead: its group, its first process, or one child.

        Returns:
            Whether there was something to kill.
        """
        own = self.process
        if own is None or not own.alive:
            return False
        if process == "child":
            found = proc.children(own.pid)
            if not found:
                return False
            _kill(found[0])
            return True
        self._ender = by
        if process == "main":
            own.signal_main(signal.SIGKILL)
        else:
            own.signal_group(signal.SIGKILL)
        if not own.ended.wait(_KILL_TIMEOUT):
            raise ChaosError(f"{self.name} (pid {own.pid}) is still there {_KILL_TIMEOUT:g} s after SIGKILL")
        return True

    def begin_end(self, number: signal.Signals = signal.SIGTERM, *, by: Ender = "fault") -> None:
        """Ask its first process to end; a stopped one goes on to hear it."""
        own = self.process
        if own is not None and own.alive:
            self._ender = by
            own.signal_main(number)
            own.cont()

    def finish_end(self, grace: float) -> float:
        """Wait until it ended, and kill its group after `grace` seconds; return the seconds it took."""
        own = self.process
        started = time.monotonic()
        if own is not None and not own.ended.wait(grace):
            own.signal_group(signal.SIGKILL)
            own.ended.wait(_KILL_TIMEOUT)
        return time.monotonic() - started

    def stop_and_wait(self, timeout: float) -> None:
        """Stop its group, and return when all of it stands; a fault's own pause, not in the history."""
        if self.process is not None:
            self.process.stop_and_wait(timeout)

    def cont(self) -> None:
        """Let its group go on."""
        if self.process is not None:
            self.process.cont()

    def close(self) -> None:
        """End it for good: no restart any more, and nothing of any of its groups left."""
        self._over.set()
        with self._lock:
            processes = list(self.processes)
        for process in processes:
            process.end_group()

    def no_more(self) -> None:
        """Do not start it again."""
        self._over.set()

    def _ended(self, process: Process) -> None:
        """Record an end, and start it again where its policy says so. Runs on the process's waiting thread."""
        with self._lock:
            ender = self._ender
            again = not self._over.is_set() and self._wants_restart(ender)
            self._restarting = again
            self._history.append(
                facts.ConsumerEnded(
                    at=now(),
                    consumer=self.name,
                    pid=process.pid,
                    exit_code=process.exit_code,
                    by=ender,
                    restarts=again,
                )
            )
        if not again:
            return
        try:
            if not self._over.wait(self._restart_delay):
                self.start()
        except ChaosError as error:
            self.trouble = error
        finally:
            self._restarting = False
            with self._history.changed:
                self._history.changed.notify_all()

    def _wants_restart(self, ender: Ender) -> bool:
        if ender == "plugin" or self._restart == "never":
            return False
        if ender == "fault":
            return True
        if self._restart == "always" and self._restarts < _MOST_RESTARTS:
            self._restarts += 1
            return True
        return False


def _kill(pid: int) -> None:
    import os

    os.kill(pid, signal.SIGKILL)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
