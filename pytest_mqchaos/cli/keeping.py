"""What was kept of failed runs, beside a report that is written elsewhere: copied by `merge`, pointed to by `show`.

A run names its directory relative to its document. A document may come from anybody: only a directory below the
document that says of itself that it is one (`kept.json`) is taken, and of it only plain files.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["carry", "located", "pointed", "present"]

Record = Mapping[str, Any]

_FOLDER = "failed"
_MARK = "kept.json"


def present(document: Record, file: Path) -> dict[str, Any]:
    """Return a document whose runs say nothing of what was kept of them where it is gone."""
    base = file if file.is_dir() else file.parent
    return _told(document, lambda kept: kept if _ours(base, kept) else None)


def located(document: Record, file: Path) -> dict[str, Any]:
    """Return a document whose runs say by an absolute path what was kept of them; nothing where it is gone."""
    base = file if file.is_dir() else file.parent
    return _told(document, lambda kept: _ours(base, kept))


def pointed(document: Record, file: Path, directory: Path) -> dict[str, Any]:
    """Return a document whose runs say what was kept of them as seen from a directory."""

    def seen(kept: str) -> str | None:
        return os.path.relpath(kept, directory.resolve())

    return _told(located(document, file), seen)


def carry(document: Record, directory: Path) -> dict[str, Any]:
    """Copy what was kept of the runs of a `located` document below a directory, and return the document that says so.

    A directory that stands there already stays what it is; another one of the same name gets a number. One that an
    earlier merge brought is replaced.

    Raises:
        OSError: if it cannot be written.
    """
    folder = directory.resolve() / _FOLDER
    sources = {Path(run["kept"]) for run in document["runs"] if "kept" in run}
    taken = {source.name for source in sources if source.parent == folder}

    def copied(kept: str) -> str:
        source = Path(kept)
        if source.parent == folder:
            return f"{_FOLDER}/{source.name}"
        target = folder / _free(source.name, folder, taken)
        taken.add(target.name)
        if target.exists():
            shutil.rmtree(target)
        target.mkdir(parents=True)
        for file in sorted(source.iterdir()):
            if file.is_file() and not file.is_symlink():
                shutil.copy2(file, target / file.name)
        return f"{_FOLDER}/{target.name}"

    return _told(document, copied)


def _free(name: str, folder: Path, taken: set[str]) -> str:
    """Return a name that no directory of this merge has, nor anything that is none of ours."""
    number, found = 1, name
    while found in taken or ((folder / found).exists() and not _is_kept(folder / found)):
        number += 1
        found = f"{name}.{number}"
    return found


def _ours(base: Path, kept: str) -> str | None:
    try:
        path = (base / kept).resolve()
        return str(path) if path.is_relative_to(base.resolve()) and _is_kept(path) else None
    except (OSError, ValueError):  # a name that no file can have
        return None


def _is_kept(path: Path) -> bool:
    return not path.is_symlink() and (path / _MARK).is_file()


def _told(document: Record, place: Callable[[str], str | None]) -> dict[str, Any]:
    """Return a document whose runs say another place, or none."""
    runs = []
    for run in document["runs"]:
        where = place(run["kept"]) if run.get("kept") else None
        rest = {name: value for name, value in run.items() if name != "kept"}
        runs.append(rest if where is None else {**rest, "kept": where})
    return {**document, "runs": runs}
