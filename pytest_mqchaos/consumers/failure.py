"""What a consumer's end and output say to a reader."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

from pytest_mqchaos.consumers.process import Process

__all__ = ["decoded", "describe", "ending"]

_TAIL_LINES = 15
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


def _tail(path: Path, start: int) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(start, size - _TAIL_BYTES))
            text = file.read().decode(errors="backslashreplace")
    except OSError:
        return ""
    lines = [_line(line) for line in text.rstrip().split("\n")[-_TAIL_LINES:]]
    return "\n".join(lines).strip("\n")


def _line(line: str) -> str:
    line = _CREDENTIALS.sub(r"\1:***@", line.rstrip().rpartition("\r")[2])
    line = _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", line)
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]} ..."
