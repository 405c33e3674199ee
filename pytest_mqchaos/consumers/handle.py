"""What a start left us in hand: how its processes are signalled and seen, and how their end is waited for.

`Group` is a process group of this host whose leader is our child; a container is in `contained`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from pytest_mqchaos.consumers import proc
from pytest_mqchaos.errors import ChaosError

__all__ = ["Group", "Handle"]


class Handle(Protocol):
    """The processes of one start. Signals are sent under the lock of `Process`, and never after `release`."""

    @property
    def what(self) -> str:
        """What an error calls all of them: `process group 4711`."""

    @property
    def group(self) -> int:
        """The process group that sends on the link."""

    @property
    def blur(self) -> str:
        """Why the kernel cannot stop that group for us when it sends (see `link.tripwire`); empty where it can."""

    @property
    def asking(self) -> str:
        """The name of the signal that asks it to end."""

    @property
    def stands(self) -> bool:
        """Whether that group is stopped right now."""

    def signal_group(self, number: signal.Signals) -> None:
        """Signal that group; at once, whatever else there is."""

    def signal_main(self, number: signal.Signals) -> None:
        """Signal the first process."""

    def signal_all(self, number: signal.Signals) -> None:
        """Signal all of them."""

    def ask(self, number: signal.Signals, *, plugin: bool) -> bool:
        """Ask the first process to end, as the system would where it runs in earnest, unless it is the `plugin`'s wish.

        Returns:
            Whether it can hear that.
        """

    def members(self) -> list[int]:
        """The living ones."""

    def children(self) -> list[int]:
        """The living children of the first one, oldest first."""

    def unstopped(self) -> dict[int, str]:
        """The threads that run on, with the letters of their states."""

    def connections(self) -> set[tuple[str, int]]:
        """The remote ends of the TCP connections that they made or try to make."""

    def wait(self) -> int | None:
        """Return when the first process has ended: its exit code, negative for a signal; None if it is not known."""

    def empty(self, living: Sequence[proc.Stat] | None) -> bool:
        """Whether none is left, after the first one's end; `living` are all processes of this host, if known."""

    def release(self) -> None:
        """Give back what was kept of them: their number is another's from now on."""


class Group:
    """A process group whose leader is our child.

    The kernel keeps a process's number, and the number of its group, until its parent has fetched the exit code: that
    is done in `release`, when nothing of the group is left, so that no signal of ours ever meets a stranger.
    """

    blur = ""
    asking = signal.SIGTERM.name

    def __init__(self, pid: int) -> None:
        self.group = pid

    @property
    def what(self) -> str:
        """What an error calls it."""
        return f"process group {self.group}"

    @property
    def stands(self) -> bool:
        """Whether its leader is stopped."""
        return proc.stands(self.group)

    def signal_group(self, number: signal.Signals) -> None:
        """Signal all of it."""
        os.killpg(self.group, number)

    def signal_main(self, number: signal.Signals) -> None:
        """Signal its leader."""
        os.kill(self.group, number)

    def signal_all(self, number: signal.Signals) -> None:
        """Signal all of it.

        Raises:
            ChaosError: if it runs as another user.
        """
        try:
            os.killpg(self.group, number)
        except PermissionError:
            raise ChaosError(f"{self.what} runs as another user and cannot be sent {number.name}") from None

    def ask(self, number: signal.Signals, *, plugin: bool) -> bool:
        """Signal its leader."""
        self.signal_main(number)
        return True

    def members(self) -> list[int]:
        """Return its living processes."""
        return proc.members(self.group)

    def children(self) -> list[int]:
        """Return the living children of its leader, in whatever group."""
        return proc.children(self.group)

    def unstopped(self) -> dict[int, str]:
        """Return the threads of it that run on."""
        return proc.unstopped(self.group)

    def connections(self) -> set[tuple[str, int]]:
        """Return the remote ends of its TCP connections."""
        return proc.connections(proc.members(self.group))

    def wait(self) -> int | None:
        """Wait for its leader's end, and leave the exit code to be fetched; None if somebody else has."""
        with suppress(ChildProcessError):
            if hasattr(os, "waitid"):
                found = os.waitid(os.P_PID, self.group, os.WEXITED | os.WNOWAIT)
                killed = found is not None and found.si_code != os.CLD_EXITED
                return None if found is None else -found.si_status if killed else found.si_status
            _, status = os.waitpid(self.group, 0)  # a system that cannot wait without fetching
            return os.waitstatus_to_exitcode(status)
        return None

    def empty(self, living: Sequence[proc.Stat] | None) -> bool:
        """Whether nothing of it is left: then nobody is there to fork into it."""
        stats = proc.snapshot() if living is None else living
        return not any(stat.group == self.group for stat in stats)

    def release(self) -> None:
        """Fetch the exit code."""
        with suppress(ChildProcessError):
            os.waitpid(self.group, os.WNOHANG)
