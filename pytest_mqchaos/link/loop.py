"""The private thread on which all links live: one asyncio loop, not the test's.

What strikes at an exact moment has to run soon after it: a consumer works on meanwhile. So the thread takes
precedence over the rest of the machine where it may (as root: an ordinary user may only yield).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from pytest_mqchaos.errors import ChaosError

__all__ = ["LoopThread", "keep"]

_T = TypeVar("_T")
_PATIENCE = 10.0
"""Seconds that a fork waits for the thread, and the thread for a fork."""
_PRECEDENCE = 10
"""Steps of niceness below the process's own."""
_OPEN: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.WeakSet[asyncio.Transport]] = (
    weakref.WeakKeyDictionary()
)
"""The connections of each loop, as long as somebody has them."""


def keep(transport: asyncio.Transport) -> None:
    """Let a connection of the loop that runs end with it at the latest: left to the collector it would complain."""
    _OPEN.setdefault(asyncio.get_running_loop(), weakref.WeakSet()).add(transport)


class LoopThread:
    """An asyncio loop on a thread of its own; other threads hand it coroutines and wait, bounded."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._niceness = os.getpriority(os.PRIO_PROCESS, 0)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._thread = threading.Thread(target=self._run, name="mqchaos-link", daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, _T], *, timeout: float, what: str) -> _T:
        """Run `work` on the loop and return its result.

        Args:
            work: the coroutine.
            timeout: seconds after which it is cancelled.
            what: what is awaited, for the error's text.

        Raises:
            ChaosError: if it takes longer than `timeout`.
        """
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("the link's thread cannot wait for itself")
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result(timeout)
        except (concurrent.futures.TimeoutError, TimeoutError):
            if future.done():
                raise
            future.cancel()
            raise ChaosError(f"{what} took longer than {timeout:g} s") from None

    def soon(self, function: Callable[..., object], *arguments: object) -> None:
        """Call `function` on the loop, without waiting."""
        self.loop.call_soon_threadsafe(function, *arguments)

    def spawn(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[Any]:
        """Start a task; called on the loop only. The loop keeps it alive."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def blocking(self, function: Callable[..., _T], *arguments: object) -> Awaitable[_T]:
        """Run a blocking call on a helper thread and return what to await; called on the loop only."""
        return self.loop.run_in_executor(None, function, *arguments)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Hold the loop between two callbacks: a fork in the meantime copies no lock that it holds."""
        standing, go = threading.Event(), threading.Event()

        def stand() -> None:
            standing.set()
            go.wait(_PATIENCE)

        self.loop.call_soon_threadsafe(stand)
        if not standing.wait(_PATIENCE):
            go.set()  # when it comes to it after all
            raise ChaosError(f"the link's thread did not stand still within {_PATIENCE:g} s for a fork")
        try:
            yield
        finally:
            go.set()

    def close(self) -> None:
        """Cancel what runs, end the thread, close the loop."""
        if self.loop.is_closed():
            return
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        helpers = concurrent.futures.ThreadPoolExecutor(
            thread_name_prefix="mqchaos-helper", initializer=_renice, initargs=(self._niceness,)
        )
        self.loop.set_default_executor(helpers)  # they inherit precedence, and start processes that would too
        _renice(self._niceness - _PRECEDENCE)
        try:
            self.loop.run_forever()
        finally:
            pending = asyncio.all_tasks(self.loop)
            for task in pending:
                task.cancel()
            if pending:
                self.loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
            for transport in list(_OPEN.get(self.loop, ())):
                transport.abort()  # one that was closed, and whose peer reads nothing, is open still
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()


def _renice(niceness: int) -> None:
    """Set the niceness of the calling thread alone, if the system permits (on Linux it is a thread's own)."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
