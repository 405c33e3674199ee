"""What a consumer's end and output say to a reader."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from pytest_mqchaos.consumers.process import Process
from pytest_mqchaos.model.case import Output
from pytest_mqchaos.model.printable import printable

__all__ = ["decoded", "describe", "ending", "last_lines", "tail", "told"]

_TAIL_LINES = 15
_LAST_LINES = 40
_TAIL_BYTES = 1 << 16
_LONGEST_LINE = 400
_TELLING = 5
"""Processes of one replica whose output is told: a supervisor may start it many times."""


def decoded(path: Path) -> str:
    """Return a file's text, bytes that are not UTF-8 escaped; nothing if it is not there."""
    try:
        return path.read_bytes().decode(errors="backslashreplace")
    except OSError:
        return ""


def ending(exit_code: int | None) -> str:
    """Return how a process ended, in words."""
    if exit_code is None:
        return "its exit code is not known"
    if exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        return f"killed by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"killed by signal {-exit_code}"


def describe(process: Process | None, output: Path, start: int) -> str:
    """Return how a process ended or stands, and the tail of its output from byte `start` on.

    The first line stands alone; credentials in addresses are masked, control characters escaped.
    """
    if process is None:
        return "it was not started"
    if process.alive:
        state = "is frozen" if process.frozen else "still runs"
        how = f"it {state} (pid {process.pid}, {time.monotonic() - process.started:.1f} s)"
    else:
        how = ending(process.exit_code)
    words = tail(output, start)
    if not words:
        return f"{how}; it wrote nothing"
    *earlier, last = words.splitlines()
    end = f"{how}; its last words: {last.strip()}"
    return f"{end}\n{words}" if earlier else end


def tail(path: Path, start: int = 0) -> str:
    """Return the last lines of a file from byte `start` on, however much it holds and whatever it is.

    At most fifteen lines of 400 characters; credentials in addresses are masked, control characters escaped.
    """
    text, _ = _read(path, start, None)
    lines = [_line(line) for line in text.rstrip().split("\n")[-_TAIL_LINES:]]
    return "\n".join(lines).strip("\n")


def last_lines(path: Path, start: int, end: int | None = None) -> tuple[tuple[str, ...], int]:
    """Return the last lines of a file between two bytes, and how many bytes before them are left out.

    Credentials in addresses are masked, control characters escaped, long lines cut.
    """
    text, before = _read(path, start, end)
    lines = text.rstrip().split("\n")
    kept = lines[-_LAST_LINES:]
    before += sum(len(line.encode(errors="replace")) + 1 for line in lines[: -len(kept)])
    return tuple(_line(line) for line in kept) if text.strip() else (), before


def told(processes: Sequence[Process], starts: Sequence[int], path: Path) -> tuple[Output, ...]:
    """Return the last lines that each of a replica's last processes wrote, in the order started.

    Args:
        processes: all of them.
        starts: how long the file was when each was started.
        path: what they wrote to.
    """
    spans = list(zip(processes, starts, [*starts[1:], None], strict=False))
    return tuple(
        Output(process.pid, *last_lines(path, start, end)) for process, start, end in spans[-_TELLING:]
    )


def _read(path: Path, start: int, end: int | None) -> tuple[str, int]:
    """Return the last of a file's text between two bytes, and how many bytes before it are left out."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            stop = size if end is None else min(end, size)
            first = max(start, stop - _TAIL_BYTES)
            file.seek(first)
            raw = file.read(max(stop - first, 0))
    except OSError:
        return "", 0
    if first > start:  # within a line, maybe within an address that could be masked no more
        torn, _, whole = raw.partition(b"\n")
        if whole:
            first, raw = first + len(torn) + 1, whole
    return raw.decode(errors="backslashreplace"), max(first - start, 0)


def _line(line: str) -> str:
    """Return what a terminal would show of a line in the end: what follows the last carriage return."""
    return printable(line.rstrip().rpartition("\r")[2].expandtabs(4), _LONGEST_LINE)
