"""Directories of failed runs: `mqchaos-report/failed/<test>-<attempt>/`, the newest of them.

A directory is one of ours by the file `kept.json` in it; no other is ever removed. Whatever fails here is a line in the
failure's section, and fails nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mqchaos.fixtures import Trial, ground
from pytest_mqchaos.model.printable import printable
from pytest_mqchaos.options import setting

if TYPE_CHECKING:
    import pytest

__all__ = ["keep_failed", "safe_name"]

FOLDER = "failed"
MOST = 20
"""Most directories, those of earlier sessions among them."""
MOST_BYTES = 200_000_000
"""Most bytes in all of them."""
_MARK = "kept.json"
_LONGEST = 120


def keep_failed(item: pytest.Item, here: Trial) -> str:
    """Keep the directory of a run that failed, say so in its trial, and return what a reader is told."""
    folder = ground(item.config).settings.report / FOLDER
    target = _target(folder, here.settings.nodeid, here.settings.attempt)
    part = folder / f".{target.name}-{os.getpid()}"
    try:
        part.mkdir(parents=True)
        mark = {"nodeid": here.settings.nodeid, "attempt": here.settings.attempt}
        (part / _MARK).write_text(json.dumps(mark) + "\n", encoding="ascii")
        bodies = setting(item.config, "report_bodies").value
        names = here.chaos.keep(part, bodies=bodies, most=MOST_BYTES)
        if _whose(target) is not None:
            shutil.rmtree(target)
        part.rename(target)
        _prune(folder, target)
    except Exception as error:  # an ornament: the failure stands without it
        shutil.rmtree(part, ignore_errors=True)
        why = error.strerror if isinstance(error, OSError) else None
        return printable(f"not kept: {target}: {why or f'{type(error).__name__}: {error}'}")
    here.kept = f"{FOLDER}/{target.name}"
    files = ", ".join(names) or "nothing was written"
    return printable(f"{_from_here(item.config, target)}: {files}")


def _target(folder: Path, nodeid: str, attempt: int) -> Path:
    """Return the directory of an attempt; of a test whose name reads like another's it bears a digest."""
    target = folder / f"{safe_name(nodeid)}-{attempt}"
    whose = _whose(target)
    return target if whose in (None, nodeid) else folder / f"{safe_name(nodeid, digest=True)}-{attempt}"


def safe_name(nodeid: str, *, digest: bool = False) -> str:
    """Return a name for a directory that tells the test, of letters, digits and `_.+-`; a long one with a digest."""
    name = re.sub(r"[^A-Za-z0-9.+-]+", "_", nodeid).strip("._-")
    if not digest and name and len(name) <= _LONGEST:
        return name
    number = hashlib.sha256(nodeid.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{name[:_LONGEST]}-{number}".lstrip("-")


def _prune(folder: Path, newest: Path) -> None:
    """Remove the oldest until no more are left than may be, never the newest one; and what a killed process began."""
    for path in folder.glob(".*"):
        process = path.name.rpartition("-")[2]
        if process.isdigit() and not Path("/proc", process).exists() and _whose(path) is not None:
            shutil.rmtree(path, ignore_errors=True)
    size = 0
    newest_first = sorted(_ours(folder), key=lambda path: (path != newest, -_age(path)))
    for count, path in enumerate(newest_first, 1):
        size += sum(_size(each) for each in path.iterdir())
        if path != newest and (count > MOST or size > MOST_BYTES):
            shutil.rmtree(path, ignore_errors=True)


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


def _from_here(config: pytest.Config, path: Path) -> Path:
    here = config.invocation_params.dir
    return path.relative_to(here) if path.is_relative_to(here) else path
