"""A listening socket of ours, and the connections that come in on it.

asyncio's own server loses a connection that it has accepted and not yet begun when it is closed: its transport cannot
be attached any more, nobody closes its socket, and the client waits for an answer that never comes. Links close their
listeners in the midst of traffic, at each `refuse` and each stop of the broker. Here what was accepted is begun, or
closed.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

__all__ = ["Listener", "listen"]

_BACKLOG = 128
_PAUSE = 0.1
"""Seconds until it is tried again to accept where no file descriptor is left."""


def listen(own: socket.socket, protocol: Callable[[], asyncio.BaseProtocol]) -> Listener:
    """Accept connections on a bound socket, on the loop that runs (see `Listener`)."""
    return Listener(own, protocol, asyncio.get_running_loop())


class Listener:
    """Accepts connections until it is closed; on its loop only.

    Args:
        own: a bound socket, which is closed with it.
        protocol: makes the protocol of a connection. One that was accepted before the listener was closed is begun
            after that: the protocol decides what becomes of it.
    """

    def __init__(
        self,
        own: socket.socket,
        protocol: Callable[[], asyncio.BaseProtocol],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._own = own
        self._protocol = protocol
        self._loop = loop
        self._beginning: set[asyncio.Task[object]] = set()
        own.setblocking(False)
        own.listen(_BACKLOG)
        loop.add_reader(own, self._accept)

    def close(self) -> None:
        """Accept no more; may be called again."""
        if self._own.fileno() >= 0:
            self._loop.remove_reader(self._own)
            self._own.close()

    def _accept(self) -> None:
        for _ in range(_BACKLOG):
            try:
                connection, _ = self._own.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # no descriptor is left: who waits goes on waiting
                self._loop.remove_reader(self._own)
                self._loop.call_later(_PAUSE, self._again)
                return
            self._begin(connection)

    def _again(self) -> None:
        if self._own.fileno() >= 0:
            self._loop.add_reader(self._own, self._accept)

    def _begin(self, connection: socket.socket) -> None:
        def begun(task: asyncio.Task[object]) -> None:
            self._beginning.discard(task)
            # Its loop ended, or its peer was gone again.
            if task.cancelled() or task.exception() is not None:
                connection.close()

        connection.setblocking(False)
        beginning = self._loop.connect_accepted_socket(self._protocol, connection)
        task: asyncio.Task[object] = self._loop.create_task(beginning)
        self._beginning.add(task)
        task.add_done_callback(begun)
