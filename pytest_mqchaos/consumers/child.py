"""A consumer that is a Python callable: the child's side of the fork. Nothing here ever returns into pytest.

The child becomes what a program of its own would be: a session and output of its own, default signal handlers, no
plugin's sockets, no handlers and hooks of pytest, warnings as an interpreter starts with. What the test itself gave
to the callable (open files, pipes, queues) stays.
"""

# descriptors, not paths
# ruff: noqa: PTH112, PTH115, PTH208

from __future__ import annotations

import asyncio
import atexit
import gc
import inspect
import io
import os
import signal
import stat
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import CodeType
from typing import Any, NoReturn, TextIO

from pytest_mqchaos.consumers import fresh

__all__ = ["Inheritance", "become"]

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Inheritance:
    """What the parent made ready for the child."""

    env: Mapping[str, str]
    cwd: str
    sink: int
    """Where output goes."""
    status: int
    """The pipe on which to say `<pid>` and then `ok`, or what went wrong."""
    parent: int
    directory: str
    """The run's own: descriptors of files in it are the plugin's."""
    prctl: Callable[..., int] | None


def become(call: Callable[[], object], given: Inheritance) -> NoReturn:
    """Be the consumer until it ends, and end the process."""
    code = 1
    try:
        _set_up(call, given)
        code = _run(call)
    except BaseException as error:  # whatever happens here must not get out
        with suppress(OSError):
            os.write(2, f"{type(error).__name__}: {error}\n".encode(errors="backslashreplace"))
    finally:
        os._exit(code)


def _set_up(call: Callable[[], object], given: Inheritance) -> None:
    try:
        os.write(given.status, b"%d\n" % os.getpid())
        gc.freeze()  # what pytest holds is not ours to finalise
        os.setsid()
        if given.prctl is not None:
            given.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != given.parent:
            os._exit(1)
        _reset_signals()
        old = (sys.stdout, sys.stderr)
        _new_output(given.sink)
        _let_go(given.directory, keep={given.status})
        fresh.start(old)
        os.environ.clear()
        os.environ.update(given.env)
        os.chdir(given.cwd)
        _announce_probe(call)
        _put_hook_in()
        os.write(given.status, b"ok\n")
    except BaseException as error:
        with suppress(OSError):
            os.write(given.status, f"{type(error).__name__}: {error}".replace("\n", " ").encode() + b"\n")
        raise
    os.close(given.status)


def _reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    ignored = {signal.SIGPIPE, getattr(signal, "SIGXFSZ", signal.SIGPIPE)}  # as an interpreter starts
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP} - ignored:
        with suppress(OSError, ValueError):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _new_output(sink: int) -> None:
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    os.close(null)
    os.close(sink)
    _stream("stdin", open(0, closefd=False))  # noqa: SIM115
    _stream("stdout", _writer(1))
    _stream("stderr", _writer(2))


def _stream(name: str, stream: TextIO) -> None:
    setattr(sys, name, stream)
    setattr(sys, f"__{name}__", stream)


def _writer(descriptor: int) -> TextIO:
    """Return a stream that keeps nothing back: a killed consumer's last words are worth most."""
    raw = open(descriptor, "wb", buffering=0, closefd=False)  # noqa: SIM115 - lives as long as the process
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)


def _let_go(directory: str, *, keep: set[int]) -> None:
    """Let go of the plugin's descriptors, and of every network socket and selector.

    They are replaced, not closed: an object of the parent's that is finalised here closes its number again, which
    must not be one that the consumer was given meanwhile. A socket of the wire that lived on here would hide its
    FIN; files, pipes and queues may be the test's, handed to the callable.
    """
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for name in os.listdir("/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"):
        descriptor = int(name)
        if (
            descriptor > 2
            and descriptor not in keep
            and descriptor != null
            and _plugins(descriptor, directory)
        ):
            os.dup2(null, descriptor, inheritable=False)
    os.close(null)


def _plugins(descriptor: int, directory: str) -> bool:
    try:
        kind = os.fstat(descriptor).st_mode
        target = os.readlink(f"/proc/self/fd/{descriptor}") if os.path.isdir("/proc/self") else ""
    except OSError:
        return False
    if stat.S_ISSOCK(kind):
        return _networked(descriptor)
    return target.startswith(("anon_inode:", f"{directory}/"))


def _networked(descriptor: int) -> bool:
    import socket

    try:
        twin = socket.socket(fileno=os.dup(descriptor))
    except OSError:
        return True
    with twin:
        return twin.family != socket.AF_UNIX


_PROBES = ("pytest_mqchaos.probe", "mqchaos_probe")
"""One code, by the names of its two distributions."""


def _announce_probe(call: object) -> None:
    """Say that the consumer has the probe, if its code names it: an import in the parent could not say so."""
    probes = [sys.modules[name] for name in _PROBES if name in sys.modules]
    while isinstance(call, partial):
        call = call.func
    function = getattr(call, "__func__", call)
    if not hasattr(function, "__code__"):
        function = type(call).__call__
    code = getattr(function, "__code__", None)
    if not probes or code is None:
        return
    values = [getattr(function, "__globals__", {}).get(name) for name in _names(code)]
    for cell in getattr(function, "__closure__", None) or ():
        with suppress(ValueError):  # an empty cell
            values.append(cell.cell_contents)
    for probe in probes:
        package = probe.__name__.partition(".")[0]
        if package in _names(code) or any(value in (probe, probe.effect) for value in values):
            probe._announce()


def _put_hook_in() -> None:
    """Wrap the function that the test names as its effect, as `inside/sitecustomize.py` does for a command."""
    if os.environ.get("MQCHAOS_EFFECT_AFTER"):
        from pytest_mqchaos import probe
        from pytest_mqchaos.consumers.inside import hook

        hook.install(probe)


def _names(code: CodeType) -> set[str]:
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= _names(constant)
    return found


def _run(call: Callable[[], object]) -> int:
    """Run the callable and return the exit code, all as an interpreter would for a program."""
    try:
        try:
            result = call()
            if inspect.isawaitable(result):
                asyncio.run(_await(result))
            code = 0
        except SystemExit as leave:
            code = _exit_code(leave)
        except BaseException as error:
            _print(error)
            code = -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
        _finish()
    except BaseException as error:
        _print(error)
        code = 1
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    if code == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    return code & 0xFF


async def _await(result: Awaitable[Any]) -> None:
    await result


def _finish() -> None:
    """Wait for the threads that are no daemons, and run what was registered for the exit."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()


def _exit_code(leave: SystemExit) -> int:
    if leave.code is None:
        return 0
    if isinstance(leave.code, int):
        return leave.code
    print(leave.code, file=sys.stderr)
    return 1


def _print(error: BaseException) -> None:
    """Print a traceback that begins with the consumer's own code; none of it, where it was not reached."""
    frame = frames = error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == __file__:
            frames = frame.tb_next
        frame = frame.tb_next
    traceback.print_exception(type(error), error, frames, file=sys.stderr)
