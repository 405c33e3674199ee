"""The program of a command: where it is, and what keeps it from running, said before anything is started.

A system runs a script without a first line that names its interpreter by `sh`, whatever language it is in, and says
of one with Windows' line ends that a file is missing which is there: so both are looked at here.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from pytest_mqchaos.errors import UsageError

__all__ = ["find"]

_HEAD = 512


def find(line: Sequence[str], search: str, cwd: Path) -> str:
    """Return the absolute path of a command's program.

    Args:
        line: the command; its first word is a name on `search`, or, with a slash in it, a path from `cwd`.
        search: folders, as in PATH.
        cwd: where it will run.

    Raises:
        UsageError: if there is no such program, or it cannot be run: with the way out where one shows.
    """
    __tracebackhide__ = True
    name = line[0]
    if "/" in name:
        path = cwd / name
        if not path.exists():
            raise _wrong(name, f"was not found (in {cwd}){_meant(line, cwd)}")
        if path.is_dir():
            raise _wrong(name, f"is a directory (in {cwd})")
        if not os.access(path, os.X_OK):
            raise _wrong(name, f"is not executable (in {cwd}): chmod +x it{_by_python(name)}")
    else:
        found = shutil.which(name, path=search)
        if found is None:
            raise _wrong(name, f"was not found on PATH{_elsewhere(name, cwd)}")
        path = Path(found).absolute()
    _check_first_line(name, path)
    return str(path)


def _wrong(name: str, what: str) -> UsageError:
    return UsageError(f"consumer(): the command {name!r} {what}")


def _by_python(name: str) -> str:
    return f", or write 'python {name}'" if name.endswith(".py") else ""


def _meant(line: Sequence[str], cwd: Path) -> str:
    """Say what a path may have meant that leads nowhere."""
    if line[0].startswith("~"):
        return "; '~' is for shells, and there is none here: write the whole path"
    for count in range(2, len(line) + 1):
        whole = " ".join(line[:count])
        if (cwd / whole).is_file():
            return f"; {whole!r} is there: quote a path with spaces, or give the command as a list"
    return ""


def _elsewhere(name: str, cwd: Path) -> str:
    """Say where else a program is that is not on PATH."""
    if (cwd / name).is_file():
        how = f"python {name}" if name.endswith(".py") else f"./{name}"
        return f"; it is in {cwd}: write {how!r}"
    beside = Path(sys.executable).parent / name
    if beside.is_file():
        return f"; it is beside this Python: put {str(beside.parent)!r} on PATH, or write {str(beside)!r}"
    return ""


def _check_first_line(name: str, path: Path) -> None:
    """Raise if it is a script that does not name its interpreter, or one that is not there."""
    __tracebackhide__ = True
    try:
        with path.open("rb") as program:
            head = program.read(_HEAD)
    except OSError:
        return  # it may be run and not read: the system will say
    if not head.startswith(b"#!"):
        if b"\0" not in head:  # no machine's code is without
            raise _wrong(
                name,
                f"names no interpreter: begin it with '#!/usr/bin/env python3' or the like{_by_python(name)}",
            )
        return
    first, newline, _ = head.partition(b"\n")
    if newline and first.endswith(b"\r"):
        raise _wrong(name, "has a first line that ends in CR LF: save it with Unix line ends")
    words = first[2:].split()
    if words and not Path(os.fsdecode(words[0])).exists():
        raise _wrong(name, f"asks for {os.fsdecode(words[0])!r}, which is not there")
