"""The event loops of the test's own thread, and how a run settles while one of them runs.

```
 the test's thread     await asettle() ──────────────(its consumers' tasks run)──────────► the account
                           │        ▲ reads the test's own sources of effects         ▲
 a thread of ours          └─► settle ──────────────────────────────────────────────┘
```
A task moves only while its loop runs: settling in the loop's own thread would wait for what it keeps from happening.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar

from pytest_mqchaos.errors import ChaosError, UsageError

__all__ = ["Loops"]

T = TypeVar("T")
Reader: TypeAlias = Callable[[Callable[[], Any]], Any]
"""Calls a function, and returns what it returns."""

_LOOK = 0.05
"""Seconds after which it is looked again whether anybody still waits for an answer."""


class Loops:
    """The loops that the test's thread was seen to run. Made in that thread.

    Args:
        asynchronous: whether the test's function is a coroutine's: a loop runs it, seen or not.
    """

    def __init__(self, *, asynchronous: bool = False) -> None:
        self._thread = threading.get_ident()
        self._asynchronous = asynchronous
        self._seen: list[asyncio.AbstractEventLoop] = []
        self.given_up = threading.Event()
        """Set while nobody waits any more for what settles aside."""

    def note(self) -> asyncio.AbstractEventLoop | None:
        """Return the loop that runs in this thread, and remember it if the thread is the test's."""
        loop = _running()
        if (
            loop is not None
            and threading.get_ident() == self._thread
            and not any(loop is s for s in self._seen)
        ):
            self._seen.append(loop)
        return loop

    def refuse(self, call: str, instead: str) -> None:
        """Raise if a loop runs in this thread: a call that waits would keep its tasks from what it waits for.

        Raises:
            UsageError: naming what to write instead.
        """
        __tracebackhide__ = True
        if self.note() is not None:
            raise UsageError(
                f"{call}: an event loop runs in this thread, and in-process consumers on it stand still while "
                f"the call waits: write {instead}"
            )

    @property
    def elsewhere(self) -> bool:
        """Whether this is another thread than the test's."""
        return threading.get_ident() != self._thread

    @property
    def stopped(self) -> bool:
        """Whether the test had a loop, and none of its loops runs now."""
        return (self._asynchronous or bool(self._seen)) and not any(one.is_running() for one in self._seen)

    @property
    def resumable(self) -> asyncio.AbstractEventLoop | None:
        """The loop that ran last, if it stands only and is not closed."""
        last = self._seen[-1] if self._seen else None
        return None if last is None or last.is_closed() or last.is_running() or _running() else last

    def run_on(
        self, loop: asyncio.AbstractEventLoop, work: Callable[[], T], read_by: Callable[[Reader | None], None]
    ) -> T:
        """Let a loop that stands run until work is done that waits; see `aside`."""
        __tracebackhide__ = True
        # A loop holds its tasks weakly, and what held them has ended with the test's function.
        tasks = asyncio.all_tasks(loop)
        try:
            return loop.run_until_complete(self.aside(work, read_by))
        finally:
            tasks.clear()

    async def aside(self, work: Callable[[], T], read_by: Callable[[Reader | None], None]) -> T:
        """Do in a thread of ours what waits, while the loop runs.

        Args:
            work: what waits. When nobody waits for it any more, `given_up` is set, and it is to raise soon.
            read_by: told who calls the test's own functions meanwhile: they are called in the loop's thread.

        Raises:
            UsageError: if no event loop of asyncio runs here.
        """
        __tracebackhide__ = True
        loop = self.note()
        if loop is None:
            raise UsageError(
                "asettle() and averify() are for asyncio's event loop, and none runs in this thread"
            )
        done = asyncio.Event()
        found: list[T] = []
        raised: list[BaseException] = []

        def settle() -> None:
            try:
                found.append(work())
            except BaseException as error:  # whatever it is, it belongs to who awaits it
                raised.append(error)
            finally:
                with suppress(RuntimeError):  # the loop was closed: nobody waits
                    loop.call_soon_threadsafe(done.set)

        read_by(lambda function: self._called_there(loop, function))
        thread = threading.Thread(target=settle, name="mqchaos-settles", daemon=True)
        thread.start()
        try:
            await done.wait()
        finally:
            self.given_up.set()
            thread.join()
            self.given_up.clear()
            read_by(None)
        if raised:
            raise raised[0]
        return found[0]

    def _called_there(self, loop: asyncio.AbstractEventLoop, function: Callable[[], T]) -> T:
        """Call a function in the loop's thread, and return what it returns."""
        answered = threading.Event()
        found: list[T] = []
        raised: list[BaseException] = []

        def call() -> None:
            try:
                found.append(function())
            except BaseException as error:
                raised.append(error)
            finally:
                answered.set()

        with suppress(RuntimeError):  # the loop was closed: given up, as soon as it is looked
            loop.call_soon_threadsafe(call)
        while not answered.wait(_LOOK):
            self.check()
        if raised:
            raise raised[0]
        return found[0]

    def check(self) -> None:
        """Raise if nobody waits for what settles aside.

        Raises:
            ChaosError: saying so.
        """
        if self.given_up.is_set():
            raise ChaosError("settling was given up: what awaited it was cancelled")


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
