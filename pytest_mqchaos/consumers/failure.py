"""What a consumer's end and output say to a reader."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

from pytest_mqchaos.consumers.process import Process

__all__ = ["decoded", "describe", "ending", "last_lines"]

_TAIL_LINES = 15
_LAST_LINES = 40
_TAIL_BYTES = 1 << 16
_LONGEST_LINE = 400
_CREDENTIALS = re.compile(r"(\w+://[^\s:/@]*):[^\s@/]+@")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


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
    tail = _tail(output, start)
    if not tail:
        return f"{how}; it wrote nothing"
    *earlier, last = tail.splitlines()
    end = f"{how}; its last words: {last.strip()}"
    return f"{end}\n{tail}" if earlier else end


def last_lines(path: Path, start: int, end: int | None = None) -> tuple[tuple[str, ...], int]:
    """Return the last lines of a file between two bytes, and how many bytes before them are left out.

    Credentials in addresses are masked, control characters escaped, long lines cut.
    """
    text, before = _read(path, start, end)
    lines = text.rstrip().split("\n")
    kept = lines[-_LAST_LINES:]
    before += sum(len(line.encode(errors="replace")) + 1 for line in lines[: -len(kept)])
    return tuple(_line(line) for line in kept) if text.strip() else (), before


def _tail(path: Path, start: int) -> str:
    text, _ = _read(path, start, None)
    lines = [_line(line) for line in text.rstrip().split("\n")[-_TAIL_LINES:]]
    return "\n".join(lines).strip("\n")


def _read(path: Path, start: int, end: int | None) -> tuple[str, int]:
    """Return the last of a file's text between two bytes, and how many bytes before it were not read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            stop = size if end is None else min(end, size)
            first = max(start, stop - _TAIL_BYTES)
            file.seek(first)
            return file.read(max(stop - first, 0)).decode(errors="backslashreplace"), max(first - start, 0)
    except OSError:
        return "", 0


def _line(line: str) -> str:
    line = _CREDENTIALS.sub(r"\1:***@", line.rstrip().rpartition("\r")[2])
    line = _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", line)
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]} ..."
