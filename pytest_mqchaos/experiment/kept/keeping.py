"""What a run leaves that failed: its history, what its consumers wrote, the end of the broker's log, as plain files.

```
history.jsonl     what was seen, a line each        bodies as the report tells them
worker.effects    what stood in $MQCHAOS_EFFECTS    of each process of a consumer
worker.output     what it wrote
worker#effect_after.effects    what its wrapped function told
billing.sent      what a producer said it sent
broker.log        its last lines since the run began
```
Only regular files by these names are taken, no links; and no credentials of any URL, nor the broker's password
wherever it stands.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from pytest_mqchaos.consumers.addresses import without_password
from pytest_mqchaos.model.printable import masked

__all__ = ["LOG", "copy_files"]

LOG = 400
"""Most lines of the broker's log."""
_LINE = 1 << 20
_HELD = 1 << 16
"""Bytes that are looked at again with what follows them, where a line is so long that it is read in pieces."""
_HISTORY = "history.jsonl"
_NAME = re.compile(r"history\.jsonl|[\w.+#-]+\.(?:effects|output|sent)")
_PLANNED = b'{"event":"Planned"'

_Hide = Callable[[str], str]
_Change = Callable[[Iterable[bytes]], Iterator[bytes]]


def copy_files(
    source: Path, directory: Path, *, bodies: str, most: int, user: str, password: str, log: str = ""
) -> list[str]:
    """Copy what a run has written so far into a directory that is there, and return the files' names.

    Args:
        source: the run's own directory.
        directory: where to.
        bodies: what is told of the bodies of messages: `none`, `digest` or `full`.
        most: bytes of all files; of what does not fit the end is kept, from the beginning of a line.
        user: by which the run talks to the broker.
        password: its password, which is hidden wherever it stands.
        log: the last lines of the broker's log.

    Raises:
        OSError: if a file cannot be written.
    """
    names = []
    hide = partial(_hidden, user=user, password=password)
    if log:
        (directory / "broker.log").write_bytes(hide(log).encode("utf-8", "replace") + b"\n")
        names.append("broker.log")
    sources = [entry for entry in source.iterdir() if _NAME.fullmatch(entry.name)]
    for number, entry in enumerate(sorted(sources)):
        change = partial(_facts, bodies, hide) if entry.name == _HISTORY else partial(_text, hide)
        copied = _copied(entry, directory / entry.name, change, most // (len(sources) - number))
        most -= copied
        names += [entry.name] if copied else []
    return names


def _copied(source: Path, target: Path, change: _Change, most: int) -> int:
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
        copy.writelines(change(_pieces(file, status.st_size, most)))
    return min(status.st_size, most)


def _pieces(file: BinaryIO, size: int, most: int) -> Iterator[bytes]:
    """Return the lines at the end of a file, those that are too long in pieces."""
    if size > most:
        file.seek(size - most)
        _skip_torn(file)
    left = most  # it may grow meanwhile
    while left > 0 and (line := file.readline(min(_LINE, left))):
        left -= len(line)
        yield line


def _skip_torn(file: BinaryIO) -> None:
    """Go to the next line, or within one that is too long to the next word: the torn one may end an address."""
    while torn := file.readline(_LINE):
        whole = re.search(rb"\n" if torn.endswith(b"\n") else rb"\s", torn)
        if whole is not None:
            file.seek(whole.end() - len(torn), os.SEEK_CUR)
            return


def _hidden(text: str, *, user: str, password: str) -> str:
    return without_password(masked(text), user=user, password=password)


def _text(hide: _Hide, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Hide what is secret in lines of any bytes, also where one piece ends in the midst of it."""
    held = b""
    for piece in pieces:
        held = hide((held + piece).decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        end = len(held) if piece.endswith(b"\n") else max(len(held) - _HELD, 0)
        yield held[:end]
        held = held[end:]
    yield held


def _facts(bodies: str, hide: _Hide, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Return the lines of a history, which tell of bodies what the report may; one that is cut off is no fact."""
    held: list[bytes] = []
    for piece in pieces:
        held.append(piece)
        if piece.endswith(b"\n"):
            yield _fact(b"".join(held), bodies, hide)
            held.clear()


def _fact(line: bytes, bodies: str, hide: _Hide) -> bytes:
    planned = bodies != "full" and line.startswith(_PLANNED)
    text = line.decode("ascii", "surrogateescape")
    if not planned and b"\\" not in line and hide(text) == text:
        return line  # nothing in it is to be hidden, and most lines are such
    try:
        told = json.loads(line)
        if planned:
            told["body"]["hex"] = ""
            told["headers"] = []
            if bodies == "none":
                told["digest"] = ""
    except (ValueError, KeyError, TypeError):
        return b""
    return json.dumps(_within(told, hide), separators=(",", ":")).encode() + b"\n"


def _within(value: object, hide: _Hide) -> object:
    """Hide what is secret in each text of a value."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, dict):
        return {key: _within(each, hide) for key, each in value.items()}
    return [_within(each, hide) for each in value] if isinstance(value, list) else value
