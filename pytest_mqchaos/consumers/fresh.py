"""The interpreter of a forked consumer, as one that has just started: what the parent hung into it is let go."""

from __future__ import annotations

import atexit
import faulthandler
import logging
import sys
import threading
import warnings
from contextlib import suppress
from typing import TextIO

__all__ = ["start"]


def start(old: tuple[TextIO, TextIO]) -> None:
    """Make the interpreter what one is that has just started.

    Args:
        old: the streams that the parent wrote to, in whose place `sys.stdout` and `sys.stderr` stand already.
    """
    if faulthandler.is_enabled():
        faulthandler.disable()  # its handlers went with all others
        faulthandler.enable(2)
    thread = threading.current_thread()
    thread.name, thread._daemonic = "MainThread", False  # type: ignore[attr-defined]  # whose threads inherit it
    sys.excepthook, sys.unraisablehook = sys.__excepthook__, sys.__unraisablehook__
    sys.breakpointhook, sys.displayhook = sys.__breakpointhook__, sys.__displayhook__
    threading.excepthook = threading.__excepthook__
    sys.settrace(None)
    threading.settrace(None)
    atexit._clear()
    _reset_multiprocessing()
    for logger in (logging.getLogger(), *logging.Logger.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            _reset_logger(logger, old)
    warnings.resetwarnings()
    for ignored in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", ignored)  # what an interpreter starts with
    warnings.showwarning = _show_warning  # pytest's own collects them


def _reset_logger(logger: logging.Logger, old: tuple[TextIO, TextIO]) -> None:
    for handler in list(logger.handlers):
        if type(handler).__module__.partition(".")[0] in ("_pytest", "pytest"):
            logger.removeHandler(handler)
        elif isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            handler.stream = sys.stdout if handler.stream is old[0] else sys.stderr


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    (file or sys.stderr).write(warnings.formatwarning(message, category, filename, lineno, line))


def _reset_multiprocessing() -> None:
    """Forget the parent's children and finalisers, and wait for the consumer's own at the end."""
    util, process = sys.modules.get("multiprocessing.util"), sys.modules.get("multiprocessing.process")
    if util is None or process is None:
        return
    with suppress(AttributeError):
        process._children = set()  # type: ignore[attr-defined]
        util._finalizer_registry.clear()
        util._run_after_forkers()
        if server := sys.modules.get("multiprocessing.forkserver"):
            # The parent's is no child of ours, and would fork outside of the consumer's group.
            preload = server._forkserver._preload_modules
            server._forkserver.__init__()
            server._forkserver._preload_modules = preload
        atexit.register(util._exit_function)
