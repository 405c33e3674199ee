"""One replica of a consumer: a link, an effects file and an output that stay, and processes that come and go."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pytest_mqchaos.consumers import failure, proc
from pytest_mqchaos.consumers.addresses import LinkAddress
from pytest_mqchaos.consumers.policy import Policy
from pytest_mqchaos.consumers.process import Ender, Process
from pytest_mqchaos.consumers.supervisor import Supervisor
from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import History, now

__all__ = ["Replica"]

_KILL_TIMEOUT = 10.0
_CHILD_FAULT = 5.0
"""Seconds within which an end of the first process is put down to the kill of its child."""


class Replica:
    """One replica; its methods are safe from any thread.

    Args:
        link: its address.
        effects: its effects file, the same across restarts.
        output: the file that all its processes write to.
        launch: starts a process of it and returns the pid; called on the supervisor's thread.
        supervisor: the thread that starts it.
        policy: when it is started again.
        history: where its starts and ends go.
    """

    def __init__(
        self,
        *,
        link: LinkAddress,
        effects: Path,
        output: Path,
        launch: Callable[[], int],
        supervisor: Supervisor,
        policy: Policy,
        history: History,
    ) -> None:
        self.name = link.name
        self.link = link
        self.effects = effects
        self.output_path = output
        self.processes: list[Process] = []
        """All its processes, the present or last one at the end."""
        self.trouble: ChaosError | None = None
        """Why it could not be started again."""
        self._launch = launch
        self._supervisor = supervisor
        self._policy = policy
        self._history = history
        self._lock = threading.Lock()
        self._restarting = False
        self._decided: Process | None = None
        self._over = threading.Event()
        self._output_start = 0

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
        """Whether it is about to be started again, or has just ended and that is not decided yet."""
        own = self.process
        return self._restarting or (own is not None and not own.alive and own is not self._decided)

    @property
    def over(self) -> bool:
        """Whether it was started, has ended, and is not started again."""
        return self.process is not None and not self.alive and not self.restarting

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
        return failure.decoded(self.output_path)

    def describe_failure(self) -> str:
        """How the last process ended, and the tail of its output, credentials masked."""
        return self.link.mask(failure.describe(self.process, self.output_path, self._output_start))

    def foreign_connections(self) -> list[str]:
        """Remote ends of the TCP connections it made, besides its link's, as `host:port`."""
        if self.process is None or not self.process.alive:
            return []
        found = proc.connections(self.process.pid)
        local = {self.link.host, "127.0.0.1", "::1"}
        return sorted(
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            for host, port in found
            if not (port == self.link.port and host in local)
        )

    # --- start ---

    def start(self) -> None:
        """Start it, on the supervisor's thread; one that runs, or is over for good, is left alone.

        Raises:
            ChaosError: if it cannot be run.
        """
        __tracebackhide__ = True
        self._supervisor.call(self._start)

    def _start(self) -> None:
        __tracebackhide__ = True
        if self._over.is_set() or self.alive:
            return
        self._output_start = self.output_path.stat().st_size
        process = Process(self._launch())
        with self._lock:
            self.processes.append(process)
            self._restarting = False
        self._history.append(facts.ConsumerStarted(at=now(), consumer=self.name, pid=process.pid))
        process.watch(self._ended)

    # --- faults ---

    def expect_end(self, by: Ender) -> None:
        """Say who is about to end the present process."""
        if self.process is not None:
            self.process.expect_end(by)

    def crash(self, process: str = "group", *, by: Ender = "fault") -> bool:
        """Kill it (SIGKILL) and return once it is dead: its group, its first process, or one child.

        Returns:
            Whether there was something to kill.

        Raises:
            ChaosError: if it is still there ten seconds later.
        """
        own = self.process
        if own is None or not own.alive:
            return False
        if process == "child":
            return self._crash_child(own, by)
        own.expect_end(by, code=-signal.SIGKILL)
        if process == "main":
            own.signal_main(signal.SIGKILL)
        else:
            own.signal_group(signal.SIGKILL)
        if not own.handled.wait(_KILL_TIMEOUT):
            raise ChaosError(f"{self.name} (pid {own.pid}) is still there {_KILL_TIMEOUT:g} s after SIGKILL")
        if process == "group" and not own.wait_gone(_KILL_TIMEOUT):
            raise ChaosError(
                f"{self.name}: {own.members()} are still there {_KILL_TIMEOUT:g} s after SIGKILL"
            )
        if process == "main":
            own.cont()  # a fault stops the whole group first
        return own.exit_code in (None, -signal.SIGKILL)

    def _crash_child(self, own: Process, by: Ender) -> bool:
        found = own.children()
        if not found:
            return False
        own.expect_end(by, within=_CHILD_FAULT)
        return proc.kill(found[0], parent=own.pid, timeout=_KILL_TIMEOUT)

    def begin_end(self, number: signal.Signals = signal.SIGTERM, *, by: Ender = "fault") -> None:
        """Ask its first process to end; a stopped one goes on to hear it. Does not wait."""
        own = self.process
        if own is not None and own.alive:
            own.expect_end(by)
            own.signal_main(number)
            own.cont()

    def finish_end(self, grace: float) -> float:
        """Wait until it has ended, and kill its group after `grace` seconds; return the seconds it took.

        Once its first process has ended, what is left of its group is asked (SIGTERM) too.
        """
        own = self.process
        started = time.monotonic()
        if own is None:
            return 0.0
        if own.ended.wait(grace) and not own.clear_if_gone():
            own.signal_group(signal.SIGTERM)
        if not own.wait_gone(max(0.0, grace - (time.monotonic() - started))):
            own.signal_group(signal.SIGKILL)
            own.wait_gone(_KILL_TIMEOUT)
        own.handled.wait(_KILL_TIMEOUT)
        return time.monotonic() - started

    def stop_and_wait(self, timeout: float) -> None:
        """Stop its group, and return when all of it stands; a fault's own pause, not in the history.

        Raises:
            ChaosError: if part of it runs on after `timeout` seconds.
        """
        if self.process is not None and self.process.alive:
            self.process.stop()
            self.process.wait_stopped(timeout)

    def cont(self) -> None:
        """Let its group go on."""
        if self.process is not None:
            self.process.cont()

    def freeze(self, timeout: float = 5.0) -> bool:
        """Stop its group, for the history too; return whether there was one to stop."""
        if not self.alive or self.frozen:
            return False
        self.stop_and_wait(timeout)
        self._history.append(facts.ConsumerFrozen(at=now(), consumer=self.name))
        return True

    def thaw(self) -> bool:
        """Let its group go on, for the history too; return whether it was stopped."""
        if not self.frozen:
            return False
        self.cont()
        self._history.append(facts.ConsumerThawed(at=now(), consumer=self.name))
        return True

    # --- its end ---

    def no_more(self) -> None:
        """Do not start it again."""
        self._over.set()

    def _ended(self, process: Process) -> None:
        """Record an end, and have it started again where its policy says so. On the process's waiting thread."""
        with self._lock:
            again = not self._over.is_set() and self._policy.again(process.ender)
            self._restarting = again
            self._decided = process
        self._history.append(
            facts.ConsumerEnded(
                at=now(),
                consumer=self.name,
                pid=process.pid,
                exit_code=process.exit_code,
                by=process.ender,
                restarts=again,
            )
        )
        if again and not self._supervisor.later(self._policy.pause(process.ender), self._start_again):
            self._restarting = False

    def _start_again(self) -> None:
        try:
            self._start()
        except ChaosError as error:
            self.trouble = error
        except Exception as error:
            self.trouble = ChaosError(f"{self.name} could not be started again: {error}")
        finally:
            if self.trouble is not None or self._over.is_set():
                self._restarting = False  # else the start did that, and the new process may have ended by now
            with self._history.changed:
                self._history.changed.notify_all()
