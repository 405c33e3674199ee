"""The kill of a consumer's process, of one child of it, or of its whole group; a fact once it returns."""

from __future__ import annotations

import signal

from pytest_mqchaos.consumers import proc
from pytest_mqchaos.consumers.process import Ender, Process
from pytest_mqchaos.errors import ChaosError

__all__ = ["kill"]

_KILL_TIMEOUT = 10.0
_CHILD_FAULT = 5.0
"""Seconds within which an end of the first process is put down to the kill of its child."""


def kill(own: Process, process: str, *, by: Ender, name: str, port: int | None = None) -> bool:
    """Kill a living process (SIGKILL) and return once it is dead.

    Args:
        own: the first process.
        process: what of it: its "group", "main" (itself alone) or one "child".
        by: who is to blame for the end.
        name: the replica's.
        port: of the connection by which a child is meant; without it, or if no child has it, the oldest is.

    Returns:
        Whether there was something to kill.

    Raises:
        ChaosError: if it is still there ten seconds later.
    """
    if process == "child":
        return _kill_child(own, by, port)
    own.expect_end(by, code=-signal.SIGKILL)
    if process == "main":
        own.signal_main(signal.SIGKILL)
    else:
        own.signal_group(signal.SIGKILL)
    if not own.handled.wait(_KILL_TIMEOUT):
        raise ChaosError(f"{name} (pid {own.pid}) is still there {_KILL_TIMEOUT:g} s after SIGKILL")
    if process == "group" and not own.wait_gone(_KILL_TIMEOUT):
        raise ChaosError(f"{name}: {own.members()} are still there {_KILL_TIMEOUT:g} s after SIGKILL")
    if process == "main":
        own.cont()  # a fault stops the whole group first
    return own.exit_code in (None, -signal.SIGKILL)


def _kill_child(own: Process, by: Ender, port: int | None) -> bool:
    found = own.children()
    if not found:
        return False
    meant = None if port is None else proc.speaker(port, found)
    own.expect_end(by, within=_CHILD_FAULT)
    return proc.kill(found[0] if meant is None else meant, parent=own.pid, timeout=_KILL_TIMEOUT)
