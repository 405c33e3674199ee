"""The thread that starts a consumer's processes.

The kernel ends a process that was tied to us when the *thread* that started it ends, and a fork copies nothing but
the thread that forks: so all starts and restarts of a consumer happen on one thread of its own, with an empty
stack, which lives as long as its processes do.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from pytest_mqchaos.model.conditions import Condition

__all__ = ["Supervisor"]

_T = TypeVar("_T")


class Supervisor:
    """Runs jobs one after another on a thread of its own, at once or after a delay."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: list[tuple[float, int, Callable[[], object], Future[Any] | None]] = []
        """When, in which order, what, and who waits for it."""
        self._numbers = itertools.count()
        self._changed = Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def call(self, job: Callable[[], _T]) -> _T:
        """Run a job on the thread and return its result, or raise what it raised.

        Raises:
            RuntimeError: the thread was closed before the job had begun.
        """
        __tracebackhide__ = True
        if threading.current_thread() is self._thread:
            return job()
        future: Future[_T] = Future()

        def run() -> None:
            try:
                future.set_result(job())
            except BaseException as error:  # it belongs to the caller
                future.set_exception(error)

        if not self._put(0.0, run, future):
            raise self._was_closed()
        return future.result()

    def later(self, delay: float, job: Callable[[], object]) -> bool:
        """Run a job, which raises nothing, after `delay` seconds; return whether the thread still takes any."""
        return self._put(delay, job, None)

    def _put(self, delay: float, job: Callable[[], object], awaited: Future[Any] | None) -> bool:
        with self._changed:
            if self._closed:
                return False
            heapq.heappush(self._jobs, (time.monotonic() + delay, next(self._numbers), job, awaited))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify_all()
            return True

    def close(self) -> None:
        """Forget what has not begun, and end the thread; returns when a job that runs has ended."""
        with self._changed:
            self._closed = True
            dropped, self._jobs = self._jobs, []
            self._changed.notify_all()
        for *_, awaited in dropped:
            if awaited is not None:  # else whoever called it would wait for ever
                awaited.set_exception(self._was_closed())
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _was_closed(self) -> RuntimeError:
        return RuntimeError(f"{self._name} was closed")

    def _run(self) -> None:
        while (job := self._next()) is not None:
            job()

    def _next(self) -> Callable[[], object] | None:
        with self._changed:
            while not self._closed:
                wait = self._jobs[0][0] - time.monotonic() if self._jobs else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._jobs)[2]
                self._changed.wait(wait)
            return None
