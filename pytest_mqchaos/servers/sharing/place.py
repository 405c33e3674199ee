"""Where a host's address is kept: a folder of the user's own, one for each kind of servers that is shared.

```
 $TMPDIR/mqchaos-kept-UID/3f2a9c.../   lock  host.json  mqchaos-RUN/     with --mqchaos-keep
 $TMPDIR/mqchaos-SESSION/              lock  host.json  mqchaos-RUN/     under pytest-xdist, for one session
```
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mqchaos.errors import ServerUnavailable
from pytest_mqchaos.servers import locking

if TYPE_CHECKING:
    from filelock import BaseFileLock

__all__ = ["Place", "kept_place", "kept_places"]

_STATE = "host.json"
_WORDS = {
    "port": int,
    "token": str,
    "run": str,
    "pid": int,
    "since": float,
    "engine": str,
    "description": str,
}
_LOCK = "lock"
_LOCK_TIMEOUT = 300.0
_TRIES = 10


@dataclass(frozen=True, slots=True)
class Place:
    """One such folder; it need not be there."""

    folder: Path
    kept: bool = False

    def directory(self, run: str) -> Path:
        """Where the servers of a run keep what they have on disk."""
        return self.folder / f"mqchaos-{run}"

    @contextlib.contextmanager
    def alone(self, *, patience: float | None = None) -> Iterator[None]:
        """Have the place for this process alone meanwhile; whoever else wants it waits, by default five minutes.

        Raises:
            ServerUnavailable: it cannot be had, or is somebody else's.
        """
        from filelock import Timeout

        timeout = _LOCK_TIMEOUT if patience is None else patience
        try:
            lock = self._locked(timeout)
        except Timeout:
            raise ServerUnavailable(
                f"waited {timeout:g} s for another process that starts servers (it has {self._lock})"
            ) from None
        except OSError as error:
            raise ServerUnavailable(f"{self.folder} cannot be written: {error.strerror or error}") from None
        try:
            yield
        finally:
            lock.release()

    @property
    def _lock(self) -> Path:
        return self.folder / _LOCK

    def _locked(self, timeout: float) -> BaseFileLock:
        """The lock of the place, which is made anew if `stop` removes it meanwhile."""
        for left in reversed(range(_TRIES)):
            try:
                _own_folder(self.folder.parent if self.kept else self.folder)
                self.folder.mkdir(mode=0o700, exist_ok=True)
                return locking.take(self._lock, timeout)
            except FileNotFoundError:
                if not left:
                    raise
        raise AssertionError  # the last try returns or raises

    def remove_unused(self) -> None:
        """Remove the place, unless somebody is just coming to it or something of servers stands in it."""
        with contextlib.suppress(ServerUnavailable, OSError), self.alone(patience=0.0):
            files = {self.folder / name for name in (_STATE, f"{_STATE}.new", _LOCK)}
            if self.state() is None and set(self.folder.iterdir()) <= files:
                shutil.rmtree(self.folder, ignore_errors=True)
                self.folder.parent.rmdir()  # where it was the last one

    def state(self) -> dict[str, Any] | None:
        """What the host wrote of itself; None if there is none, or what stands there is no host's."""
        try:
            said = json.loads((self.folder / _STATE).read_text())
        except (OSError, ValueError, RecursionError):
            return None
        if not (
            isinstance(said, dict) and all(isinstance(said.get(key), kind) for key, kind in _WORDS.items())
        ):
            return None
        possible = 0 < said["port"] < 1 << 16 and said["pid"] > 1 and said["run"].isalnum()
        return said if possible else None

    def of(self, run: str) -> bool:
        """Whether it is the host of this run that is found here."""
        said = self.state()
        return said is not None and said["run"] == run

    def write(self, state: Mapping[str, object]) -> None:
        """Say where the host is, in one piece."""
        new = self.folder / f"{_STATE}.new"
        with open(new, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            json.dump(state, file)
        new.replace(self.folder / _STATE)

    def clear(self, run: str) -> None:
        """Say that the host of a run is no more; that of another run may have come meanwhile, and stays."""
        if self.of(run):
            with contextlib.suppress(OSError):
                (self.folder / _STATE).unlink()

    def remove_empty(self) -> None:
        """Remove the folder unless something stands in it."""
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def remove(self) -> None:
        """Remove the folder and all that stands in it; nobody may come to it any more."""
        shutil.rmtree(self.folder, ignore_errors=True)


def kept_place(*what: object) -> Place:
    """The place of servers that are kept, of which `what` holds: the same again is the same place.

    Raises:
        ServerUnavailable: there is no folder for temporary files.
    """
    key = hashlib.sha256(json.dumps(what, default=str).encode()).hexdigest()[:12]
    return Place(_all_kept() / key, kept=True)


def kept_places() -> list[Place]:
    """The places where servers are or were kept."""
    folder = _all_kept()
    if not folder.is_dir():
        return []
    _own_folder(folder)
    return [Place(each, kept=True) for each in sorted(folder.iterdir()) if each.is_dir()]


def _all_kept() -> Path:
    try:
        return Path(tempfile.gettempdir()).absolute() / f"mqchaos-kept-{os.getuid()}"
    except OSError as error:
        raise ServerUnavailable(f"no folder for temporary files: {error.strerror}") from None


def _own_folder(folder: Path) -> None:
    """Make sure of a folder that nobody else can write: what stands in it is believed."""
    with contextlib.suppress(FileExistsError):
        try:
            folder.mkdir(mode=0o700, parents=True)
        except FileExistsError:
            raise
        except OSError as error:
            raise ServerUnavailable(f"{folder} cannot be made: {error.strerror or error}") from None
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise ServerUnavailable(f"{folder} is not a folder that only this user can read and write")
