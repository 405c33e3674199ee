"""A server as a process of this host: how it is started, watched, signalled and ended.

A child stands in a session of its own, so that the Ctrl-C of the terminal does not reach it: it ends when
we end it, in our order. It gets no environment but the one it is given, and writes into a file.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from pytest_mqchaos import kernel

__all__ = ["LOOPBACK", "Child", "awake", "free_ports", "listens", "one_line", "plain", "tail"]

LOOPBACK = "127.0.0.1"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def free_ports(count: int) -> list[int]:
    """Different ports of the loopback interface that nobody uses at the moment; one may be lost to others.

    They lie below the range from which systems number outgoing connections, so that a port stays ours
    while its server is stopped.
    """
    ports: list[int] = []
    while len(ports) < count:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind((LOOPBACK, port))
            if port not in ports:
                ports.append(port)
    return ports


def tail(path: Path, lines: int) -> str:
    """The last lines of a text file, at most 256 KiB of them; empty if there is no such file."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 256 * 1024))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def plain(text: str) -> str:
    """A log without the colours of a terminal."""
    return _COLOURS.sub("", text)


def one_line(text: str) -> str:
    """The end of a log in one line, for an error message."""
    lines = (line.strip() for line in plain(text).splitlines())
    return " | ".join(line for line in lines if line)[-400:] or "none"


def awake(pid: int) -> str | None:
    """Why a process that got SIGSTOP is not at rest yet: it is when each of its threads is (Linux; else None)."""
    states = (kernel.threads(pid) or {}).values()
    return None if all(state in "TtZX" for state in states) else f"threads in the states {''.join(states)}"


def listens(pid: int, port: int) -> bool:
    """Whether this process, or one of its session, is the one that listens at a port of the loopback interface.

    A port may be lost to somebody else between its choice and its use, and who answers there then may look the same.
    Where the system does not tell, somebody who accepts is taken for it.
    """
    there = kernel.tcp()
    if there is None:
        with socket.socket() as probe:
            probe.settimeout(1.0)
            return probe.connect_ex((LOOPBACK, port)) == 0
    sockets = {one.link for one in there if one.listens and one.port == port}
    return bool(sockets) and any(
        target in sockets for member in _session(pid) for _, target in kernel.descriptors(member)
    )


def _session(pid: int) -> Iterator[int]:
    """The process first; the others of its session only if they are asked for."""
    yield pid
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if entry.name != str(pid) and os.getsid(int(entry.name)) == pid:
                yield int(entry.name)


class Child:
    """A process that we started: its pid, its output file, whether it runs, and its end."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process = process
        self.output = output

    @classmethod
    def start(cls, command: Sequence[str], *, env: Mapping[str, str], cwd: Path, output: Path) -> Self:
        """Start `command` in a session of its own, its output going to a file, its input empty.

        Raises:
            OSError: the command cannot be executed.

        """
        with output.open("ab") as sink:
            process = subprocess.Popen(
                list(command),
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(process, output)

    @property
    def pid(self) -> int:
        """The process id, which is also its group's and session's."""
        return self.process.pid

    def alive(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its whole group, unless it has ended."""
        if self.alive():
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def end(self, *, grace: float = 0.0) -> int:
        """End it, by SIGTERM first where a grace in seconds is given; returns its exit code."""
        if grace > 0.0:
            self.signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                return self.process.wait(grace)
        self.signal(signal.SIGKILL)
        return self.process.wait()
