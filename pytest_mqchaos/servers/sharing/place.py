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
from typing import Any

from pytest_mqchaos.errors import ServerUnavailable
from pytest_mqchaos.servers.sharing.talk import Address

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
_LOCK_TIMEOUT = 300.0


@dataclass(frozen=True, slots=True)
class Place:
    """One such folder; it need not be there."""

    folder: Path
    kept: bool = False

    def directory(self, run: str) -> Path:
        """Where the servers of a run keep what they have on disk."""
        return self.folder / f"mqchaos-{run}"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Have the place for this process alone meanwhile; whoever else wants it waits.

        Raises:
            ServerUnavailable: it cannot be had, or is somebody else's.
        """
        from filelock import FileLock, Timeout

        _own_folder(self.folder.parent if self.kept else self.folder)
        lock = FileLock(self.folder / "lock", timeout=_LOCK_TIMEOUT)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            raise ServerUnavailable(
                f"waited {_LOCK_TIMEOUT:g} s for another process that starts servers (it has {self.folder / 'lock'})"
            ) from None
        except OSError as error:
            raise ServerUnavailable(f"{self.folder} cannot be written: {error.strerror or error}") from None
        try:
            yield
        finally:
            lock.release()

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

    def address(self) -> Address | None:
        """Where the host listens, if there is one."""
        said = self.state()
        return None if said is None else Address(said["port"], said["token"])

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
