"""What the kernel says of a descriptor, and what Linux writes of processes and sockets in `/proc`.

That is read here, and understood where it is asked for. Whatever is gone while it is looked at, or is not ours to look
at, is none, and so is all of it on another system. The guard (`servers/guardian.py`) runs as a lone script and has its
own few lines of this.
"""

# hot: a fault waits for these answers, and pathlib costs more than the kernel
# ruff: noqa: PTH115, PTH208

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["ENDED", "TcpSocket", "descriptors", "read", "readable", "stat", "tcp", "threads"]

ENDED = "ZX"
"""The states of a process that has ended, though its parent may not have asked for its end yet."""
_LISTENING = "0A"
_CONNECTING = {"01", "02"}  # ESTABLISHED, SYN_SENT


class TcpSocket(NamedTuple):
    """One row of a table of TCP sockets; addresses are the kernel's, `0100007F:1F90`."""

    local: str
    remote: str
    state: str
    inode: str

    @property
    def port(self) -> int:
        """The port of its own end."""
        return int(self.local.rpartition(":")[2], 16)

    @property
    def listens(self) -> bool:
        """Whether connections are accepted there."""
        return self.state == _LISTENING

    @property
    def connects(self) -> bool:
        """Whether it is connected, or about to be."""
        return self.state in _CONNECTING

    @property
    def link(self) -> str:
        """What a descriptor of it leads to."""
        return f"socket:[{self.inode}]"


def readable(descriptor: int, timeout: float) -> bool:
    """Whether there is something to read, or nothing ever will be, within `timeout` seconds.

    By `poll`: `select` takes no descriptor above 1023, and a long session of somebody's may hold that many.
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(0.0, timeout) * 1000))


def read(path: str) -> bytes | None:
    """Return what stands in a file; None if it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = b""
        while chunk := os.read(descriptor, 1 << 16):
            found += chunk
        return found
    except OSError:
        return None
    finally:
        os.close(descriptor)


def stat(pid: int, thread: int | None = None) -> list[str] | None:
    """Return what stands of a process, or of one of its threads, from its state on: state, parent, group, session, ...

    The name before may hold anything, parentheses too.
    """
    text = read(f"/proc/{pid}/stat" if thread is None else f"/proc/{pid}/task/{thread}/stat")
    return None if text is None else text.rpartition(b")")[2][:64].decode("ascii", "replace").split() or None


def threads(pid: int) -> dict[int, str] | None:
    """Return the states of a process's threads; None if the process, or `/proc`, is not there."""
    try:
        names = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return None
    found = {int(name): stat(pid, int(name)) for name in names}
    return {thread: fields[0] for thread, fields in found.items() if fields}


def descriptors(pid: int) -> Iterator[tuple[str, str]]:
    """Return the open descriptors of a process, each with what it leads to."""
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        try:
            yield name, os.readlink(f"{folder}/{name}")
        except OSError:
            continue


def tcp(pid: int | None = None) -> list[TcpSocket] | None:
    """Return the TCP sockets of the network that a process, or this one, is in; None where the kernel does not tell."""
    whose = "self" if pid is None else pid
    tables = [read(f"/proc/{whose}/net/{name}") for name in ("tcp", "tcp6")]
    if tables[0] is None:
        return None
    rows = [
        row.decode("ascii", "replace").split() for text in tables if text for row in text.splitlines()[1:]
    ]
    return [TcpSocket(row[1], row[2], row[3], row[9]) for row in rows]
