"""Containers by their engine alone: what it offers, and a consumer that nobody else can signal."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from pytest_mqchaos.consumers import proc
from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.model.image import ContainerPlan

__all__ = ["Container", "Containers", "There", "as_of_a_process", "stop_signal"]

_OFFSET = 128
"""What an exit code has above the number of the signal that killed a container's program."""


class Container(Protocol):
    """A container that runs, and what its engine does to it; a signal to one that has ended is a ProcessLookupError."""

    name: str
    pid: int
    """Of its process 1, in the engine's own numbers; 0 if that has ended."""

    def wait(self) -> int | None:
        """Return its exit code when it has ended and its output is written."""

    def send(self, number: int) -> None:
        """Send a signal to its process 1."""

    def pause(self) -> None:
        """Let all of it stand still."""

    def resume(self) -> None:
        """Let it go on, if it was paused."""

    def remove(self) -> None:
        """Remove it, whatever its state."""


class Containers(Protocol):
    """An engine that starts containers of ours."""

    def start(self, plan: ContainerPlan, output: Path) -> Container:
        """Start one whose output goes to the end of a file."""


class There:
    """A container that only its engine signals: in a virtual machine, or of another user's."""

    blur = "its container's processes cannot be signalled from here, so its engine pauses it, some milliseconds late"
    stands = False

    def __init__(self, container: Container, stop: signal.Signals) -> None:
        self.group = container.pid
        self.asking = stop.name
        self._container = container
        self._stop = stop

    @property
    def what(self) -> str:
        """What an error calls it."""
        return f"container {self._container.name}"

    def signal_group(self, number: signal.Signals) -> None:
        """Signal all of it."""
        self.signal_all(number)

    def signal_main(self, number: signal.Signals) -> None:
        """Signal its process 1; what stops and continues is for all of it."""
        self.signal_all(number)

    def signal_all(self, number: signal.Signals) -> None:
        """Pause it, let it go on, or send a signal to its process 1, whose end is the end of all."""
        if number == signal.SIGSTOP:
            self._container.pause()
        elif number == signal.SIGCONT:
            self._container.resume()
        else:
            self._container.send(number)

    def ask(self, number: signal.Signals, *, plugin: bool) -> bool:
        """Send its image's stop signal; whether that is heard the engine does not say."""
        self._container.send(self._stop if number == signal.SIGTERM else number)
        return True

    def members(self) -> list[int]:
        """Return the number of its process 1, in the engine's own."""
        return [self.group]

    def children(self) -> list[int]:
        """Raise: the engine does not say which they are.

        Raises:
            ChaosError: saying so.
        """
        raise ChaosError(f"{self.what}: its processes cannot be signalled from here, so no child of it alone")

    def unstopped(self) -> dict[int, str]:
        """Return nothing: the engine's pause is done when it returns."""
        return {}

    def connections(self) -> set[tuple[str, int]]:
        """Return nothing: they cannot be seen from here."""
        return set()

    def wait(self) -> int | None:
        """Wait for its end and the last of its output."""
        return as_of_a_process(self._container.wait())

    def empty(self, living: Sequence[proc.Stat] | None) -> bool:
        """Whether none is left: so it is."""
        return True

    def release(self) -> None:
        """Remove the container."""
        self._container.remove()


def as_of_a_process(code: int | None) -> int | None:
    """Return an exit code as `subprocess` has it: an engine says 137 where a SIGKILL ended the program."""
    if code is not None and code - _OFFSET in signal.valid_signals():
        return _OFFSET - code
    return code


def stop_signal(name: str) -> signal.Signals:
    """Return the signal that an image names as what stops it: `SIGQUIT`, `QUIT` or `3`; SIGTERM for anything else."""
    with suppress(ValueError):
        if name.isdecimal():
            return signal.Signals(int(name))
    found: Mapping[str, signal.Signals] = signal.Signals.__members__
    return found.get(f"SIG{name.upper().removeprefix('SIG')}", signal.SIGTERM)
