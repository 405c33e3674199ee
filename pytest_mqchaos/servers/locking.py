"""A lock that is a file which goes with it: whoever has the lock has the very file that stands there.

Who waits for such a file while it is removed would lock what nobody else can find; so it is looked at once more. The
guard runs this module as a program, to remove the file of a session that died, unless another one has it by now.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock

__all__ = ["MODULE", "give_up", "main", "take"]

MODULE = "pytest_mqchaos.servers.locking"
"""What the guard is told to run, with `{"path": PATH}`."""


def take(path: Path, timeout: float) -> BaseFileLock:
    """Return the lock of a file, which is made if it is not there.

    Raises:
        Timeout: somebody else has it for longer than `timeout` seconds.
        OSError: it cannot be made.
    """
    from filelock import FileLock

    deadline = time.monotonic() + timeout
    while True:
        seen = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            lock = FileLock(path)
            lock.acquire(timeout=max(deadline - time.monotonic(), 0.0))
            if _stands(seen, path):  # from before until now, so it is this one that was locked in between
                return lock
            lock.release()
        finally:
            os.close(seen)


def give_up(lock: BaseFileLock, path: Path) -> None:
    """Remove the file of a lock that we have, and let go of it."""
    with suppress(OSError):
        path.unlink()  # while it is still ours
    lock.release()


def _stands(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except OSError:
        return False


def main() -> None:
    """Remove the file that the input names, if nobody has it; run by the guard of a session that died."""
    from filelock import Timeout

    path = Path(json.load(sys.stdin)["path"])
    with suppress(Timeout, OSError):
        give_up(take(path, 0.0), path)


if __name__ == "__main__":
    main()
