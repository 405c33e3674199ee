"""A terminal: runs a command on a pseudo-terminal, and knows what stands on its screen in the end."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

_PIECES = re.compile(r"\x1b\[([0-9;]*)([A-Za-z])|([\r\n\b])|([^\x1b\r\n\b])")


def on_terminal(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    columns: int = 80,
    rows: int = 24,
    answers: Mapping[str, str] | None = None,
) -> str:
    """Run a command on a terminal and return all that it wrote; after each text in `answers` type what it says."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen(
        command, cwd=cwd, env=dict(env), stdin=slave, stdout=slave, stderr=slave, start_new_session=True
    )
    os.close(slave)
    waiting, written = dict(answers or {}), b""
    try:
        while piece := _read(master):
            written += piece
            for prompt in [each for each in waiting if each.encode() in written]:
                os.write(master, waiting.pop(prompt).encode())
    finally:
        os.close(master)
        process.wait()
    return written.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the last one that had the other end has closed it
        return b""


def screen(written: str, *, columns: int = 80, rows: int = 24) -> list[str]:
    """Return the lines of a terminal, those that scrolled away too, without what is empty at the end."""
    lines: list[list[str]] = [[]]
    row = column = 0
    end = 0
    for found in _PIECES.finditer(written):
        assert found.start() == end, f"not understood: {written[end : end + 20]!r}"
        end = found.end()
        number, letter, control, character = found.groups()
        if letter == "A":
            row = max(row - int(number or 1), len(lines) - rows, 0)
        elif letter == "G":
            column = int(number or 1) - 1
        elif letter == "K":
            assert number in ("", "0")
            del lines[row][column:]
        elif letter is not None:
            assert letter == "m", f"not understood: {found[0]!r}"
        elif control == "\r":
            column = 0
        elif control == "\b":
            column = max(column - 1, 0)
        else:
            if control == "\n" or column >= columns:
                row, column = row + 1, column if control == "\n" else 0
                lines += [[]] if row == len(lines) else []
            if character is not None:
                line = lines[row]
                line += [" "] * (column + 1 - len(line))
                line[column] = character
                column += 1
    assert end == len(written)
    made = ["".join(line).rstrip() for line in lines]
    while made and not made[-1]:
        made.pop()
    return made
