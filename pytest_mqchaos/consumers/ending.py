"""The end of a consumer: everybody is asked, then killed, and nothing of it is left.

A process that left its group for a session of its own (a daemon) is still found if it carries the replica's
environment or holds its output open. One that shed both is beyond us, and the guard's business.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pytest_mqchaos.consumers import proc, traces
from pytest_mqchaos.consumers.process import Process
from pytest_mqchaos.consumers.replica import Replica
from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import History, now

__all__ = ["ask", "finish"]

_KILL_TIMEOUT = 10.0
_SLOWEST_POLL = 0.01


def ask(replicas: Sequence[Replica]) -> None:
    """Ask all processes of some replicas to end (SIGTERM); stopped ones go on to hear it."""
    for replica in replicas:
        replica.begin_end(by="plugin")
        for process in replica.processes:
            if not process.alive:
                process.signal_group(signal.SIGTERM)
                process.signal_group(signal.SIGCONT)


def finish(replicas: Sequence[Replica], deadline: float, history: History) -> None:
    """Wait for the end of all processes of some replicas; at the deadline kill what is left.

    Args:
        replicas: which were asked, and are not started again.
        deadline: on the clock of `time.monotonic`.
        history: learns who had to be killed.

    Raises:
        ChaosError: if one cannot be killed.
    """
    processes = [process for replica in replicas for process in replica.processes if not process.cleared]
    if not _gone(processes, deadline):
        for replica in replicas:
            _kill(replica, history)
        if not _gone(processes, time.monotonic() + _KILL_TIMEOUT):
            left = sorted(pid for process in processes for pid in process.members())
            raise ChaosError(
                f"processes {left} of {replicas[0].name} are still there {_KILL_TIMEOUT:g} s after SIGKILL"
            )
    for process in processes:
        process.handled.wait(_KILL_TIMEOUT)
    _kill_strays(replicas, history)


def _gone(processes: Sequence[Process], deadline: float) -> bool:
    """Wait until nothing of some groups is left; what outlives its first process is asked once."""
    asked: set[int] = set()
    pause = 0.001
    while True:
        living = proc.snapshot()
        left = [process for process in processes if not process.clear_if_gone(living)]
        if not left:
            return True
        for process in left:
            if not process.alive and process.pid not in asked:
                asked.add(process.pid)
                process.signal_group(signal.SIGTERM)
        if time.monotonic() >= deadline:
            return False
        running = next((process for process in left if process.alive), None)
        if running is None or running.ended.wait(pause):
            time.sleep(0.0 if running else pause)  # orphans: nothing tells when they end
        pause = min(2 * pause, _SLOWEST_POLL)


def _kill(replica: Replica, history: History) -> None:
    for process in replica.processes:
        if process.cleared:
            continue
        what = "ignored SIGTERM" if process.alive else "left processes behind that ignored SIGTERM"
        history.append(
            facts.Noted(at=now(), text=f"{replica.name} (pid {process.pid}) {what} and was killed")
        )
        process.signal_group(signal.SIGKILL)


def _kill_strays(replicas: Sequence[Replica], history: History) -> None:
    deadline = time.monotonic() + _KILL_TIMEOUT
    noted: set[int] = set()
    while strays := traces.strays(replicas):
        if time.monotonic() > deadline:
            raise ChaosError(f"processes {sorted(strays)} of {replicas[0].name} cannot be killed")
        for pid, owner in strays.items():
            if pid not in noted:
                noted.add(pid)
                text = f"{owner} left a process in a session of its own (pid {pid}, {_command(pid)}); it was killed"
                history.append(facts.Noted(at=now(), text=text))
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.001)  # others' children: nothing tells when they end


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except OSError:
        return "?"
