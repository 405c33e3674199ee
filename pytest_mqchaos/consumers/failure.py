"""What a consumer's end and output say to a reader."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

from pytest_mqchaos.consumers.output import shown, text_between
from pytest_mqchaos.consumers.process import Process

__all__ = ["decoded", "describe", "ending", "finish_line", "tail"]

_TAIL_LINES = 15
_NODE_LINES = 200
_NODE = re.compile(r"Node\.js v\d+\.")
_NODE_ERROR = re.compile(r"(Uncaught )?\w*(Error|Exception)\b.*[:\[]")


def decoded(path: Path) -> str:
    """Return a file's text, bytes that are not UTF-8 escaped; nothing if it is not there."""
    try:
        return path.read_bytes().decode(errors="backslashreplace")
    except OSError:
        return ""


def finish_line(path: Path) -> None:
    """End the last line of a process that was killed within it: the next one's first line is another."""
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")


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


def describe(process: Process | None, output: Path, start: int, mask: Callable[[str], str] = str) -> str:
    """Return how a process ended or stands, and the tail of its output from byte `start` on.

    The first line stands alone; control characters are escaped, credentials in addresses are masked, and `mask` takes
    out what else no reader may see.
    """
    if process is None:
        return "it was not started"
    if process.alive:
        state = "is frozen" if process.frozen else "still runs"
        how = f"it {state} (pid {process.pid}, {time.monotonic() - process.started:.1f} s)"
    else:
        how = ending(process.exit_code)
    words = tail(output, start, mask)
    if not words:
        return f"{how}; it wrote nothing"
    lines = words.splitlines()
    last = lines[-1]
    if _NODE.match(last):
        last = _error_above(tail(output, start, mask, most=_NODE_LINES).splitlines()) or last
    end = f"{how}; its last words: {last.strip()}"
    return f"{end}\n{words}" if lines[1:] else end


def _error_above(lines: list[str]) -> str | None:
    """The line that names the error: Node ends with its version, and below the error stands its stack."""
    return next((line for line in reversed(lines) if _NODE_ERROR.match(line)), None)


def tail(path: Path, start: int = 0, mask: Callable[[str], str] = str, *, most: int = _TAIL_LINES) -> str:
    """Return the last lines of a file from byte `start` on, however much it holds and whatever it is.

    At most `most` lines of 400 characters; credentials in addresses are masked, control characters escaped.
    """
    text = text_between(path, start)
    lines = [shown(line, mask) for line in text.rstrip().split("\n")[-most:]]
    return "\n".join(lines).strip("\n")
