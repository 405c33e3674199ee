"""A consumer that is a Python callable: a forked process of its own. This side of the fork is the parent's.

Everything is built before the fork, and the fork happens while a guard of the caller's holds the plugin's threads
still, so that the child copies no lock that is held. What the child does is in `child`; it says over a pipe when
it stands on its own feet, or why it could not.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from pytest_mqchaos import kernel
from pytest_mqchaos.consumers.child import Inheritance, become
from pytest_mqchaos.errors import ChaosError

__all__ = ["fork"]

_SETUP_TIMEOUT = 15.0
_WARNING = ".*multi-threaded, use of fork"


def fork(
    call: Callable[[], object],
    *,
    env: Mapping[str, str],
    cwd: Path,
    output: Path,
    guard: AbstractContextManager[None],
) -> int:
    """Run `call` in a new process, session and process group, and return its pid.

    On Linux the kernel kills it when the thread that called this ends: call it on a thread that lives as long.

    Args:
        call: called without arguments; what it returns is awaited by `asyncio.run` if it can be.
        env: the whole environment of the child, `cwd` its working directory.
        output: what its output is appended to, in the run's directory, whose other files the child closes.
        guard: held around the fork, and no longer.

    Raises:
        ChaosError: if the child could not set itself up.
    """
    reader, writer = os.pipe()
    sink = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        given = Inheritance(
            env=dict(env),
            cwd=str(cwd),
            sink=sink,
            status=writer,
            parent=os.getpid(),
            directory=str(output.parent.resolve()),
            prctl=_prctl(),
        )
        pid = _fork(call, given, guard)
        os.close(writer)
        writer = -1
        return _await_setup(reader, pid)
    finally:
        _close(reader, writer, sink)


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        if descriptor >= 0:
            os.close(descriptor)


def _prctl() -> Callable[..., int] | None:
    """Look up here what the child only calls."""
    return ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def _fork(call: Callable[[], object], given: Inheritance, guard: AbstractContextManager[None]) -> int:
    """Fork, and return the child's pid; -1 where only the child can tell it."""
    with guard, _unwarned():
        try:
            pid = os.fork()
        except DeprecationWarning:
            pid = -1  # raised in the parent, after the fork
        if pid == 0:
            become(call, given)
    return pid


@contextmanager
def _unwarned() -> Iterator[None]:
    """Silence 3.12's warning that a process with threads forks: the guard is our answer to it.

    `catch_warnings` swaps a list that all threads share and would fight with a test that does so at the same
    moment; one entry is put in and taken out again.
    """
    warnings.filterwarnings("ignore", message=_WARNING, category=DeprecationWarning)
    filters = warnings.filters
    entry = filters[0]
    try:
        yield
    finally:
        with suppress(ValueError, AttributeError):
            filters.remove(entry)  # type: ignore[attr-defined]


def _await_setup(reader: int, pid: int) -> int:
    """Read the child's first words, `<pid>` and then `ok` or its trouble, and return its pid."""
    deadline = time.monotonic() + _SETUP_TIMEOUT
    said = b""
    while said.count(b"\n") < 2:
        left = deadline - time.monotonic()
        chunk = os.read(reader, 4096) if kernel.readable(reader, left) else b""
        if not chunk:
            break
        said += chunk
    first, _, rest = said.partition(b"\n")
    pid = int(first) if first.isdigit() else pid
    word = rest.strip().decode(errors="backslashreplace")
    if word == "ok":
        return pid
    if pid > 0:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)
    late = f"it said nothing within {_SETUP_TIMEOUT:g} s" if time.monotonic() >= deadline else "it ended"
    raise ChaosError(f"consumer(): the forked process could not be set up: {word or late}")
