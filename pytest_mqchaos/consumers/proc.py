"""What the kernel says of processes: the members of a group, whether they stand still, their connections.

On Linux by `/proc`; elsewhere by `ps`, without threads and connections.
"""

# hot: a fault waits for these answers, and pathlib costs more than the kernel
# ruff: noqa: PTH112, PTH208

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from pytest_mqchaos import kernel
from pytest_mqchaos.errors import ChaosError

__all__ = [
    "Stat",
    "children",
    "connections",
    "descendants",
    "environ",
    "hears",
    "holders",
    "kill",
    "members",
    "running",
    "snapshot",
    "speaker",
    "stands",
    "unstopped",
]

_WRITING = os.O_WRONLY | os.O_RDWR


@dataclass(frozen=True, slots=True)
class Stat:
    """One living process (no zombie)."""

    pid: int
    state: str
    parent: int
    group: int


def snapshot() -> list[Stat]:
    """Return every living process."""
    if not os.path.isdir("/proc/self"):
        return list(_by_ps())
    found = (_stat(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return [stat for stat in found if stat is not None]


def _stat(pid: int) -> Stat | None:
    fields = kernel.stat(pid)
    if fields is None or fields[0] in kernel.ENDED:
        return None
    return Stat(pid, fields[0], int(fields[1]), int(fields[2]))


def _by_ps() -> Iterator[Stat]:
    shown = subprocess.run(
        ["ps", "-A", "-o", "pid=,stat=,ppid=,pgid="], capture_output=True, text=True, timeout=10, check=False
    )
    for line in shown.stdout.splitlines():
        pid, state, parent, group = line.split()
        if state[0] not in kernel.ENDED:
            yield Stat(int(pid), state[0], int(parent), int(group))


def members(group: int) -> list[int]:
    """Return the living processes of a process group."""
    return [stat.pid for stat in snapshot() if stat.group == group]


def children(pid: int) -> list[int]:
    """Return the living children of a process, in whatever group, oldest first as far as pids tell."""
    return sorted(stat.pid for stat in snapshot() if stat.parent == pid)


def stands(pid: int) -> bool:
    """Whether a process is stopped, by the word of its first thread; one that is gone is not."""
    fields = kernel.stat(pid)
    return fields is not None and fields[0] == "T"


def descendants(pid: int, *, itself: bool = False) -> list[Stat]:
    """Return the living processes below one, whatever their groups, and that one too where `itself` says so."""
    below: dict[int, list[Stat]] = {}
    found: list[Stat] = []
    for stat in snapshot():
        below.setdefault(stat.parent, []).append(stat)
        if itself and stat.pid == pid:
            found.append(stat)
    parents = [pid]
    while parents:
        fresh = below.get(parents.pop(), [])
        found += fresh
        parents += [stat.pid for stat in fresh]
    return found


def hears(pid: int, number: int) -> bool:
    """Whether a process does something of its own about a signal: it has a handler, or waits for it."""
    lines = (kernel.read(f"/proc/{pid}/status") or b"").splitlines()
    masks = [int(line.split()[1], 16) for line in lines if line.startswith((b"SigCgt:", b"SigBlk:"))]
    return any(mask >> (number - 1) & 1 for mask in masks)


def environ(pid: int) -> list[bytes]:
    """Return the lines of a process's environment, as it was started; none if it is not ours to see."""
    return (kernel.read(f"/proc/{pid}/environ") or b"").split(b"\0")


def unstopped(group: int) -> dict[int, str]:
    """Return the threads of a group's processes that run on, with the letters of their states."""
    return running([stat for stat in snapshot() if stat.group == group])


def running(stats: Collection[Stat]) -> dict[int, str]:
    """Return the threads of some processes that run on, with the letters of their states.

    A thread that waits for a child of a `vfork` to call `exec` is in state D until that child goes on: if the
    child is stopped, so is the thread, though the kernel does not say so.
    """
    waiting = {stat.parent for stat in stats if stat.state in "Tt"}
    found: dict[int, str] = {}
    for stat in stats:
        found.update(_unstopped_threads(stat, "TtZXD" if stat.pid in waiting else "TtZX"))
    return found


def _unstopped_threads(stat: Stat, standing: str) -> dict[int, str]:
    threads = kernel.threads(stat.pid)
    if threads is None:
        return {} if os.path.isdir("/proc/self") or stat.state in standing else {stat.pid: stat.state}
    return {thread: state for thread, state in threads.items() if state not in standing}


def holders(markers: Mapping[str, str], outputs: Mapping[str, str]) -> dict[int, str]:
    """Return processes that carry something of ours, each with what it stands for.

    The calling process and its ancestors are never among them.

    Args:
        markers: whole lines of an environment (`NAME=value`) to what they stand for.
        outputs: paths of files, as the kernel names them, that are held open for writing.
    """
    stats = {stat.pid: stat for stat in snapshot()}
    excluded, pid = {0, 1}, os.getpid()
    while pid and pid not in excluded:
        excluded.add(pid)
        pid = stats[pid].parent if pid in stats else 0
    wanted = {os.fsencode(marker): name for marker, name in markers.items()}
    found = {pid: _carried(pid, wanted) or _written(pid, outputs) for pid in stats if pid not in excluded}
    return {pid: name for pid, name in found.items() if name is not None}


def _carried(pid: int, wanted: Mapping[bytes, str]) -> str | None:
    return next((wanted[line] for line in environ(pid) if line in wanted), None)


def _written(pid: int, outputs: Mapping[str, str]) -> str | None:
    for descriptor, target in kernel.descriptors(pid):
        if target in outputs:
            lines = (kernel.read(f"/proc/{pid}/fdinfo/{descriptor}") or b"").splitlines()
            flags = [line for line in lines if line.startswith(b"flags:")]
            if flags and int(flags[0].split()[1], 8) & _WRITING:
                return outputs[target]
    return None


def connections(pids: Iterable[int]) -> set[tuple[str, int]]:
    """Return the remote ends of the TCP connections that some processes made or try to make.

    Those among themselves are none: pika wakes its loops through pairs of sockets over loopback.
    """
    made: set[tuple[tuple[str, int], tuple[str, int]]] = set()
    ends: set[tuple[tuple[str, int], tuple[str, int]]] = set()
    for pid in pids:
        own = {target for _, target in kernel.descriptors(pid)}
        sockets = [one for one in kernel.tcp(pid) or () if one.link in own]
        listening = {one.port for one in sockets if one.listens}
        for one in sockets:
            if one.connects:
                local, remote = _address(one.local), _address(one.remote)
                ends.add((local, remote))
                if local[1] not in listening:
                    made.add((local, remote))
    return {remote for local, remote in made if (remote, local) not in ends}


def speaker(port: int, pids: Iterable[int]) -> int | None:
    """Return which of some processes has the TCP connection whose own end is a port of loopback; None if none has."""
    for pid in pids:
        own = {target for _, target in kernel.descriptors(pid)}
        sockets = kernel.tcp(pid) or ()
        if any(one.connects and one.port == port and one.link in own for one in sockets):
            return pid
    return None


def _address(text: str) -> tuple[str, int]:
    host, port = text.split(":")
    raw = b"".join(struct.pack("=I", int(host[i : i + 8], 16)) for i in range(0, len(host), 8))
    name = socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)
    return name.removeprefix("::ffff:"), int(port, 16)


def kill(pid: int, *, parent: int, timeout: float) -> bool:
    """Kill a child of `parent` and return whether it died of it; a number that is another's by now is left alone.

    Raises:
        ChaosError: if it is still there after `timeout` seconds.
    """
    found = _stat(pid)
    if found is None or found.parent != parent:
        return False
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    deadline = time.monotonic() + timeout
    while (now := _stat(pid)) is not None and now.parent == parent:
        if time.monotonic() > deadline:
            raise ChaosError(
                f"process {pid} is still there {timeout:g} s after SIGKILL, in state {now.state}"
            )
        time.sleep(0.0005)  # another's child: nothing tells us when it ends
    return True
