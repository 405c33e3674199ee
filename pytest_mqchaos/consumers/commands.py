"""A consumer that is a command in any language: from what the test wrote to a running process."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from pytest_mqchaos.consumers import program
from pytest_mqchaos.consumers.addresses import LinkAddress
from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model.command_words import command_word

__all__ = ["more", "resolve", "spawn", "words"]

_PYTHONS = {"python", "python3"}
_TYING = 5.0


def words(target: object, args: Sequence[object]) -> list[str]:
    """Return a command and its arguments: a string is split as a shell would, a bare `python` is this one.

    A path is a file's, also without a slash: it is not searched on PATH.

    Raises:
        UsageError: if it is nothing that can be run.
    """
    __tracebackhide__ = True
    if isinstance(target, os.PathLike):
        target = [target]
    a_path = False
    if isinstance(target, str):
        try:
            found = shlex.split(target)
        except ValueError as error:
            raise UsageError(f"consumer({target!r}): {error}") from None
    elif isinstance(target, Sequence) and not isinstance(target, bytes):
        found = more(target)
        a_path = bool(found) and isinstance(target[0], os.PathLike)
    else:
        raise UsageError(
            f"consumer({target!r}): a command (a list or a string), a callable, or docker_image(...)"
        )
    if not found or not found[0]:
        raise UsageError(f"consumer({target!r}): the command is empty")
    if a_path:
        found[0] = found[0] if "/" in found[0] else f"./{found[0]}"
    elif found[0] in _PYTHONS:
        found[0] = sys.executable
    return [*found, *more(args)]


def more(args: Sequence[object]) -> list[str]:
    """Return the words of a command, or its further arguments, as text.

    Raises:
        UsageError: if one is none.
    """
    __tracebackhide__ = True
    return [command_word(word, f"consumer(): {word!r} in {args!r}") for word in args]


def resolve(line: Sequence[str], address: LinkAddress, env: Mapping[str, str], cwd: Path) -> list[str]:
    """Return the command for one replica: placeholders filled in, its program found.

    Raises:
        UsageError: if there is no such program, or it cannot be executed.
    """
    __tracebackhide__ = True
    filled = [address.fill(word) for word in line]
    return [program.find(filled, env.get("PATH", os.defpath), cwd), *filled[1:]]


def spawn(line: Sequence[str], *, env: Mapping[str, str], cwd: Path, output: Path) -> int:
    """Start a command in a session and process group of its own, and return its pid.

    Its output goes to the end of a file. Where the system has a `setpriv` that can, the kernel kills the
    process when the thread that called this ends: call it on a thread that lives as long as the process. That holds
    from the moment on at which this returns.

    Raises:
        UsageError: if the system refuses to run it.
    """
    __tracebackhide__ = True
    with output.open("ab") as sink:
        try:
            started = subprocess.Popen(
                [*_tied(), *line],
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise UsageError(f"consumer(): {line[0]!r} could not be started in {cwd}: {why}") from None
    started.returncode = 0  # `Process` waits for it: Popen need not warn that nobody did
    if tie := _tied():
        _await_tie(started.pid, tie)
    return started.pid


def _await_tie(pid: int, tie: Sequence[str]) -> None:
    """Wait until `setpriv` has made room for the command: if we ended before that, nobody would tell it."""
    before = os.fsencode("\0".join(tie))
    deadline = time.monotonic() + _TYING
    while time.monotonic() < deadline:
        try:
            said = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return
        if said and not said.startswith(before):  # nothing for a moment, as it becomes another program
            return
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return
        time.sleep(0.0005)


@cache
def _tied() -> tuple[str, ...]:
    """Return what stands before a command so that it dies with us: a child hook would not be safe in threads."""
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    if setpriv is None:
        return ()
    try:
        tried = subprocess.run(
            [setpriv, "--pdeathsig", "KILL", "--", setpriv, "--version"],
            capture_output=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return (setpriv, "--pdeathsig", "KILL", "--") if tried.returncode == 0 else ()
