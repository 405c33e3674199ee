"""A Python callable in a forked process of its own.

Everything is built before the fork, and the fork happens while the plugin's threads stand still, so that the child
copies no lock that is held. The child keeps none of the plugin's sockets (a wire's socket that lived on here would
hide its FIN), no signal handlers, no loop, no handlers of logging; it never returns into pytest.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import inspect
import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import NoReturn

__all__ = ["fork"]


def fork(
    call: Callable[[], object],
    *,
    env: Mapping[str, str],
    cwd: Path,
    output: Path,
    guard: AbstractContextManager[None],
) -> int:
    """Run `call` in a new process, session and process group, and return its pid.

    Args:
        call: called without arguments; a coroutine that it returns is run by `asyncio.run`.
        env: the whole environment of the child.
        cwd: its working directory.
        output: the file that its output is appended to.
        guard: held around the fork.
    """
    sink = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        with guard, warnings.catch_warnings():
            # 3.12 warns that a process with threads forks; the guard is our answer.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
            if pid == 0:
                _child(call, env, cwd, sink)
        return pid
    finally:
        os.close(sink)


def _child(call: Callable[[], object], env: Mapping[str, str], cwd: Path, sink: int) -> NoReturn:
    code = 1
    try:
        os.setsid()
        _detach(sink)
        os.environ.clear()
        os.environ.update(env)
        os.chdir(cwd)
        result = call()
        if inspect.iscoroutine(result):
            asyncio.run(result)
        code = 0
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else (0 if leave.code is None else 1)
        if isinstance(leave.code, str):
            os.write(2, leave.code.encode() + b"\n")
    except KeyboardInterrupt:
        code = 130
    except BaseException:
        with suppress(OSError):
            os.write(2, traceback.format_exc().encode(errors="replace"))
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code & 0xFF)


def _detach(sink: int) -> None:
    """Give the child an output of its own, and close all else that it inherited."""
    faulthandler.disable()
    gc.freeze()  # what pytest holds is not ours to finalise
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with suppress(OSError, ValueError):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    os.closerange(3, max(256, *(int(name) + 1 for name in os.listdir("/proc/self/fd"))))
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - they live as long as the process
    sys.stdout = sys.__stdout__ = open(1, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    asyncio.set_event_loop(None)
    asyncio._set_running_loop(None)
    for logger in [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]:
        if isinstance(logger, logging.Logger):
            logger.handlers.clear()
            logger.filters.clear()
            logger.disabled = False
    warnings.resetwarnings()
    warnings.simplefilter("default")
