"""What the kernel says of processes: the members of a group, their states, their connections."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

__all__ = ["children", "connections", "members", "states"]

_PROC = Path("/proc")
_CONNECTING = {"01", "02"}  # ESTABLISHED, SYN_SENT


def _stats() -> Iterator[tuple[int, str, int, int]]:
    """Yield pid, state, parent and process group of every process."""
    for entry in os.scandir(_PROC):
        if not entry.name.isdigit():
            continue
        try:
            text = Path(entry.path, "stat").read_text(errors="replace")
        except OSError:
            continue  # it ended while we looked
        # The name stands in parentheses and may hold anything, parentheses too.
        state, parent, group = text.rpartition(")")[2].split()[:3]
        yield int(entry.name), state, int(parent), int(group)


def members(group: int) -> list[int]:
    """Return the processes of a process group that are no zombies."""
    return [pid for pid, state, _, own in _stats() if own == group and state not in "ZX"]


def states(group: int) -> dict[int, str]:
    """Return the state letters of a group's processes (`T` is stopped)."""
    return {pid: state for pid, state, _, own in _stats() if own == group and state not in "ZX"}


def children(pid: int) -> list[int]:
    """Return the living children of a process, oldest first."""
    return sorted(child for child, state, parent, _ in _stats() if parent == pid and state not in "ZX")


def connections(group: int) -> set[tuple[str, int]]:
    """Return the remote ends of the TCP connections that a group's processes have or try to make."""
    found: set[tuple[str, int]] = set()
    for pid in members(group):
        own = _sockets(pid)
        for table in ("tcp", "tcp6"):
            try:
                lines = (_PROC / str(pid) / "net" / table).read_text().splitlines()[1:]
            except OSError:
                continue
            for fields in map(str.split, lines):
                if fields[3] in _CONNECTING and fields[9] in own:
                    found.add(_address(fields[2]))
    return found


def _sockets(pid: int) -> set[str]:
    found: set[str] = set()
    try:
        for entry in os.scandir(_PROC / str(pid) / "fd"):
            try:
                target = os.readlink(entry.path)
            except OSError:
                continue
            if target.startswith("socket:["):
                found.add(target[8:-1])
    except OSError:
        pass  # it ended, or is not ours to look at
    return found


def _address(text: str) -> tuple[str, int]:
    host, port = text.split(":")
    raw = b"".join(struct.pack("<I", int(host[i : i + 8], 16)) for i in range(0, len(host), 8))
    family = socket.AF_INET if len(raw) == 4 else socket.AF_INET6
    name = socket.inet_ntop(family, raw)
    return name.removeprefix("::ffff:"), int(port, 16)
