"""Directories of failed runs: `mqchaos-report/failed/<test>-<attempt>/`, the newest of them.

A directory is one of ours by the file `kept.json` in it; no other is ever removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["FOLDER", "MOST", "MOST_BYTES", "Shelf", "safe_name"]

FOLDER = "failed"
MOST = 20
"""Most directories, those of earlier sessions among them."""
MOST_BYTES = 200_000_000
"""Most bytes in all of them."""
_MARK = "kept.json"
_LONGEST = 120


class Shelf:
    """The folder they stand in, beside the report."""

    def __init__(self, report: Path) -> None:
        self.folder = report / FOLDER

    def place(self, nodeid: str, attempt: int, *, cut: bool = False) -> Path:
        """Return the directory of an attempt; of a test whose name reads like another's it bears a digest.

        Args:
            nodeid: of the test.
            attempt: from 1.
            cut: whether its process died in it.
        """
        end = f"{attempt}-cut" if cut else f"{attempt}"
        target = self.folder / f"{safe_name(nodeid)}-{end}"
        if _whose(target) in (None, nodeid):
            return target
        return self.folder / f"{safe_name(nodeid, digest=True)}-{end}"

    def clear_cut(self, nodeid: str, attempt: int) -> None:
        """Remove what is left of an attempt whose process died, in an earlier session: the test is run anew."""
        target = self.place(nodeid, attempt, cut=True)
        if _whose(target) == nodeid:
            shutil.rmtree(target, ignore_errors=True)

    def put(self, target: Path, nodeid: str, attempt: int, fill: Callable[[Path], list[str]]) -> list[str]:
        """Make the directory of an attempt, in place of an earlier one, and remove the oldest that are too many.

        Args:
            target: its `place`.
            nodeid: of the test.
            attempt: from 1.
            fill: writes the files into a directory that is there, and returns their names.

        Raises:
            OSError: if it cannot be written; nothing of it is left then.
        """
        part = self.folder / f".{target.name}-{os.getpid()}"
        try:
            part.mkdir(parents=True)
            mark = {"nodeid": nodeid, "attempt": attempt}
            (part / _MARK).write_text(json.dumps(mark) + "\n", encoding="ascii")
            names = fill(part)
            if _whose(target) is not None:
                shutil.rmtree(target)
            part.rename(target)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        self._prune(target)
        return names

    def _prune(self, newest: Path) -> None:
        """Remove the oldest until no more are left than may be, and what a killed process began; never the newest."""
        for path in self.folder.glob(".*"):
            process = path.name.rpartition("-")[2]
            if process.isdigit() and not Path("/proc", process).exists() and _whose(path) is not None:
                shutil.rmtree(path, ignore_errors=True)
        size = 0
        newest_first = sorted(_ours(self.folder), key=lambda path: (path != newest, -_age(path)))
        for count, path in enumerate(newest_first, 1):
            size += sum(_size(each) for each in path.iterdir())
            if path != newest and (count > MOST or size > MOST_BYTES):
                shutil.rmtree(path, ignore_errors=True)


def safe_name(nodeid: str, *, digest: bool = False) -> str:
    """Return a name for a directory that tells the test, of letters, digits and `_.+-`; a long one with a digest."""
    name = re.sub(r"[^A-Za-z0-9.+-]+", "_", nodeid).strip("._-")
    if not digest and name and len(name) <= _LONGEST:
        return name
    number = hashlib.sha256(nodeid.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{name[:_LONGEST]}-{number}".lstrip("-")


def _ours(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if not path.name.startswith(".") and _whose(path) is not None)


def _whose(path: Path) -> str | None:
    """Return the node id of the test that a directory was kept for; None if it is none of ours."""
    if path.is_symlink():
        return None
    try:
        return str(json.loads((path / _MARK).read_text(encoding="ascii"))["nodeid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _age(path: Path) -> float:
    with suppress(OSError):
        return (path / _MARK).stat().st_mtime_ns
    return 0.0  # gone: another session removes as well


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.lstat().st_size
    return 0
