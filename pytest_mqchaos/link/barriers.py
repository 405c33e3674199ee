"""Barriers: whether the broker has processed what was passed on before, as a fact.

A barrier is a synchronous method of ours on a channel of the client's, whose answer the client never sees: the
scanner makes the frame and knows the answer, this says who waits for it.
"""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["Barriers"]


class Barriers:
    """The barriers of one connection that are on their way, by channel."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[int, deque[asyncio.Future[bool]]] = {}

    def placed(self, channel: int) -> asyncio.Future[bool]:
        """Take down that a barrier is about to be sent; return what tells whether it was answered."""
        waiter: asyncio.Future[bool] = self._loop.create_future()
        self._waiting.setdefault(channel, deque()).append(waiter)
        return waiter

    def answered(self, channel: int) -> None:
        """Take the answer of a barrier: of the oldest, though nobody may wait for it any more."""
        waiters = self._waiting.get(channel)
        if waiters and not (waiter := waiters.popleft()).done():
            waiter.set_result(True)

    def fail(self) -> None:
        """Tell all who wait that there will be no answer."""
        for waiters in self._waiting.values():
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(False)
