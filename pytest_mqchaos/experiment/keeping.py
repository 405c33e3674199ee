"""What a run leaves that failed: its history, what its consumers wrote, the end of the broker's log, as plain files.

```
history.jsonl     what was seen, a line each        bodies as the report tells them
worker.effects    what stood in $MQCHAOS_EFFECTS    of each process of a consumer
worker.output     what it wrote
billing.sent      what a producer said it sent
broker.log        its last lines since the run began
```
Only regular files by these names are taken, no links, and no credentials of any URL.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from pytest_mqchaos.experiment.run import Run
from pytest_mqchaos.model.printable import masked

__all__ = ["copy_files"]

_LINE = 1 << 20
_LOG = 400
_HISTORY = "history.jsonl"
_NAME = re.compile(r"history\.jsonl|[\w.+#-]+\.(?:effects|output|sent)")
_PLANNED = b'{"event":"Planned"'


def copy_files(run: Run, directory: Path, *, bodies: str, most: int) -> list[str]:
    """Copy what a run has written so far into a directory that is there, and return the files' names.

    Args:
        run: the run, whose own directory is still there.
        directory: where to.
        bodies: what is told of the bodies of messages: `none`, `digest` or `full`.
        most: bytes of all files; of what does not fit the end is kept, from the beginning of a line.

    Raises:
        OSError: if a file cannot be written.
    """
    names = []
    if log := run.broker_log(_LOG):
        (directory / "broker.log").write_bytes(_masked(log.encode("utf-8", "replace")) + b"\n")
        names.append("broker.log")
    sources = [entry for entry in run.directory.iterdir() if _NAME.fullmatch(entry.name)]
    for number, entry in enumerate(sorted(sources)):
        change = _history_line(bodies) if entry.name == _HISTORY else _masked
        copied = _copied(entry, directory / entry.name, change, most // (len(sources) - number))
        most -= copied
        names += [entry.name] if copied else []
    return names


def _copied(source: Path, target: Path, change: Callable[[bytes], bytes], most: int) -> int:
    """Copy a file line by line, its end if it is too long; returns how many bytes it had, 0 of what is no file."""
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return 0  # gone, or a link: not what a run writes there
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        os.close(descriptor)
        return 0
    with os.fdopen(descriptor, "rb") as file, target.open("xb") as copy:
        copy.writelines(change(line) for line in _lines(file, status.st_size, most))
    return min(status.st_size, most)


def _lines(file: BinaryIO, size: int, most: int) -> Iterator[bytes]:
    if size > most:
        file.seek(size - most)
        file.readline(_LINE)
    left = most  # it may grow meanwhile
    while left > 0 and (line := file.readline(min(_LINE, left))):
        left -= len(line)
        yield line


def _masked(line: bytes) -> bytes:
    if b"://" not in line:
        return line
    return masked(line.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _history_line(bodies: str) -> Callable[[bytes], bytes]:
    """Return what makes of a line of the history what the report may tell."""

    def change(line: bytes) -> bytes:
        if bodies == "full" or not line.startswith(_PLANNED):
            return _masked(line)
        try:
            planned = json.loads(line)
            planned["body"]["hex"] = ""
            planned["headers"] = []
            if bodies == "none":
                planned["digest"] = ""
        except (ValueError, KeyError, TypeError):
            return b""  # cut off, so no fact
        return _masked(json.dumps(planned, separators=(",", ":")).encode() + b"\n")

    return change
