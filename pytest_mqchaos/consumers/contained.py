"""A consumer that is an image: each start of it is a new container, whose processes we signal where we can.

```
 a native engine, and the right to signal   its processes are signalled by their numbers here, as those of a command
 any other                                  the engine pauses and kills, some milliseconds after it was asked
```
Where we signal, Docker's init is process 1, and the program its child: from a process 1 the kernel keeps the SIGSTOP
of a tripwire, since no process sends that. What it would not hear as process 1 (pid_namespaces(7)), it does not hear.
"""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from pytest_mqchaos import kernel
from pytest_mqchaos.consumers import proc
from pytest_mqchaos.consumers.afar import Container, Containers, There, as_of_a_process
from pytest_mqchaos.consumers.handle import Handle
from pytest_mqchaos.consumers.process import Process
from pytest_mqchaos.model.image import ContainerPlan

__all__ = ["Here", "launch"]

_TOKEN = "MQCHAOS_CONTAINER"
_BEGINNING = 5.0


def launch(
    containers: Containers, plan: ContainerPlan, output: Path, *, stop: signal.Signals, port: int, here: bool
) -> Process:
    """Start a container and return its process.

    Args:
        containers: of the engine.
        plan: what to start.
        output: the file that its output goes to.
        stop: what asks its program to end.
        port: of its link.
        here: whether its processes may be ours to signal.
    """
    token = f"{_TOKEN}={secrets.token_hex(8)}"
    container = containers.start(_marked(plan, token), output)
    handle: Handle | None = _here(container, token, stop, port, init=plan.init) if here else None
    pid = handle.main if isinstance(handle, Here) else container.pid
    return Process(pid, handle or There(container, stop))


def _marked(plan: ContainerPlan, token: str) -> ContainerPlan:
    return replace(plan, env=(*plan.env, token))


def _here(container: Container, token: str, stop: signal.Signals, port: int, *, init: bool) -> Here | None:
    """Return the handle of a container's processes if they are of this system and ours to signal.

    The number of its process 1 is the engine's: only what bears the token is taken for it.
    """
    if not container.pid:
        return None
    try:
        os.kill(container.pid, 0)
        alive = os.pidfd_open(container.pid)
    except OSError:
        return None
    deadline = time.monotonic() + _BEGINNING
    while not _ended(alive) and time.monotonic() < deadline:
        if os.fsencode(token) in proc.environ(container.pid):
            main = proc.children(container.pid)[:1] if init else [container.pid]
            if main:
                return Here(container, alive, main[0], stop=stop, port=port, init=init)
        time.sleep(0.0005)  # it becomes its program, or starts it: nothing tells when
    os.close(alive)
    return None


def _ended(pidfd: int) -> bool:
    return kernel.readable(pidfd, 0.0)


class Here:
    """A container whose processes are signalled by their numbers on this host."""

    def __init__(
        self, container: Container, alive: int, main: int, *, stop: signal.Signals, port: int, init: bool
    ) -> None:
        self.main = main
        """Its program's first process."""
        self._container = container
        self._alive = alive
        self.asking = stop.name
        self._stop = stop
        self._port = port
        self._init = init
        self._group = main
        self.blur = (
            ""
            if init
            else "its program is process 1 of its container (init=False), and the kernel does not stop that for us"
        )

    @property
    def what(self) -> str:
        """What an error calls it."""
        return f"container {self._container.name}"

    @property
    def group(self) -> int:
        """The group of whoever talks on the link: another than the first process's where an init of its own is."""
        stats = self._stats()
        groups = {stat.group for stat in stats}
        if len(groups) > 1:
            speaking = [stat.group for stat in stats if self._speaks(stat.pid)]
            self._group = speaking[0] if speaking else self._group
        elif groups:
            (self._group,) = groups
        return self._group

    def _speaks(self, pid: int) -> bool:
        return any(port == self._port for _, port in proc.connections([pid]))

    @property
    def stands(self) -> bool:
        """Whether the leader of that group is stopped, or the first process where it has none."""
        return proc.stands(self._group) or proc.stands(self.main)

    def signal_group(self, number: signal.Signals) -> None:
        """Signal that group."""
        self._check()
        os.killpg(self._group, number)

    def signal_main(self, number: signal.Signals) -> None:
        """Signal its program's first process."""
        self._check()
        os.kill(self.main, number)

    def signal_all(self, number: signal.Signals) -> None:
        """Signal all its processes: its program's own group at once, and then whoever there is besides."""
        self._check()
        if number == signal.SIGKILL:
            os.kill(self._container.pid, number)  # the kernel ends the others with it
            return
        with suppress(ProcessLookupError):
            os.killpg(self._group, number)
        done: set[int] = set()
        while fresh := {stat.pid for stat in self._stats()} - done:
            for pid in fresh:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            done |= fresh
            if number != signal.SIGSTOP:  # whoever stands forks no more
                return

    def ask(self, number: signal.Signals, *, plugin: bool) -> bool:
        """Send its image's stop signal to its first process, if that hears it: a process 1 hears what it handles."""
        wanted = self._stop if number == signal.SIGTERM else number
        if proc.hears(self.main, wanted):
            self.signal_main(wanted)
            return True
        if not plugin:
            return False
        self.signal_all(signal.SIGKILL)  # the test is over, and nobody has to wait for its end
        return True

    def members(self) -> list[int]:
        """Return its living processes, Docker's init left out."""
        return [stat.pid for stat in self._stats()]

    def children(self) -> list[int]:
        """Return the living children of its first process."""
        return proc.children(self.main)

    def unstopped(self) -> dict[int, str]:
        """Return the threads that run on."""
        return proc.running(self._stats())

    def connections(self) -> set[tuple[str, int]]:
        """Return the remote ends of its TCP connections."""
        return proc.connections(self.members())

    def wait(self) -> int | None:
        """Wait for its end and the last of its output."""
        return as_of_a_process(self._container.wait())

    def empty(self, living: Sequence[proc.Stat] | None) -> bool:
        """Whether none is left: so it is."""
        return True

    def release(self) -> None:
        """Remove the container."""
        os.close(self._alive)
        self._container.remove()

    def _check(self) -> None:
        """Raise ProcessLookupError if it has ended, and its numbers may be others'."""
        if _ended(self._alive):
            raise ProcessLookupError(self.what)

    def _stats(self) -> list[proc.Stat]:
        if _ended(self._alive):
            return []
        return proc.descendants(self._container.pid, itself=not self._init)
