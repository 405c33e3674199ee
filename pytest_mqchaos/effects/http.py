"""A small HTTP/1.1 server that stands in for the service a consumer calls.

```
 consumer ──► _Connection ── request, whole ──► asked() ──► Caller.answer ──► consumer
                   └── what cannot be read ──► broken(), 400
```
It has one address a caller, so that a request says by its address whose it is. The requests of one connection are
answered in order, one after the other; connections do not wait for each other.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, cast

from pytest_mqchaos.wire.http import Broken, Expectation, Request, RequestParser, answer

__all__ = ["Caller", "Closable", "HttpServer", "Listen"]

_WAITING = 64
"""Requests of one connection that wait for their turn before it is read no further."""
_LINGER = 0.5
"""Seconds that a caller has to read that its request was refused."""

Asked = Callable[[Request, "Caller"], Awaitable[None]]


class Closable(Protocol):
    """What listens."""

    def close(self) -> None:
        """Listen no more."""


Listen = Callable[[socket.socket, Callable[[], asyncio.BaseProtocol]], Closable]


class HttpServer:
    """Listens for callers and lets their requests be answered; on the link's thread but for `open`.

    Args:
        asked: called with each request and who asked; it answers through the caller.
        broken: told of what could not be read, and of trouble of our own.
        spawn: starts a task that is kept alive.
        listen: accepts connections on a bound socket.
    """

    def __init__(
        self,
        asked: Asked,
        *,
        broken: Callable[[str], None],
        spawn: Callable[[Coroutine[Any, Any, object]], object],
        listen: Listen,
    ) -> None:
        self.asked = asked
        self.broken = broken
        self.spawn = spawn
        self.connections: set[_Connection] = set()
        self.closed = False
        self._listen = listen
        self._listeners: list[Closable] = []

    async def open(self, link: str | None) -> tuple[str, int]:
        """Listen for a caller, and return where: its host and port."""
        own = socket.create_server(("127.0.0.1", 0))
        self._listeners.append(self._listen(own, lambda: _Connection(self, link)))
        return cast("tuple[str, int]", own.getsockname()[:2])

    def close(self) -> None:
        """End all connections, and listen no more; one that was accepted just now ends as soon as it is made."""
        self.closed = True
        for listener in self._listeners:
            listener.close()
        self._listeners = []
        for connection in list(self.connections):
            connection.abort()


class Caller:
    """Who made a request, and the way back."""

    def __init__(self, connection: _Connection, link: str | None, *, head: bool, keep_alive: bool) -> None:
        self.link = link
        """The consumer's replica whose address it called; None at the address that is nobody's."""
        self.answered = False
        self._connection = connection
        self._head = head
        self._keep_alive = keep_alive

    @property
    def gone(self) -> bool:
        """Whether nobody is there any more to read an answer, as far as the kernel knows."""
        return self._connection.gone

    def answer(self, status: int, body: bytes) -> bool:
        """Write an answer, at once; return whether it could be: its caller was still there."""
        self.answered = True
        return self._connection.write(status, body, head=self._head, keep_alive=self._keep_alive)


class _Connection(asyncio.Protocol):
    """One connection: its requests in order."""

    def __init__(self, server: HttpServer, link: str | None) -> None:
        self._server = server
        self._link = link
        self._parser = RequestParser()
        self._waiting: deque[Request | Broken] = deque()
        self._serving = False
        self._ended = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._server.connections.add(self)
        if self._server.closed:
            self.abort()

    def data_received(self, data: bytes) -> None:
        for found in self._parser.feed(data):
            if not isinstance(found, Expectation):
                self._waiting.append(found)
            elif self._transport is not None and not self._serving:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._breathe()
        if self._waiting and not self._serving:
            self._serving = True
            self._server.spawn(self._serve())

    def eof_received(self) -> bool:
        """A caller that has said all may still want to hear: the connection ends behind the last answer."""
        self._ended = True
        if self._parser.within:
            self._server.broken("a request ended in its middle")
        return self._serving

    def connection_lost(self, _error: Exception | None) -> None:
        self._server.connections.discard(self)
        self._transport = None

    @property
    def gone(self) -> bool:
        """Whether the other end is closed."""
        own = None if self._transport is None else self._transport.get_extra_info("socket")
        return own is None or own.fileno() < 0 or _hung_up(own)

    def write(self, status: int, body: bytes, *, head: bool = False, keep_alive: bool = True) -> bool:
        """Write an answer; return whether its reader was still there."""
        if self._transport is None or self._transport.is_closing():
            return False
        there = not self.gone
        self._transport.write(answer(status, body, head=head, close=not keep_alive))
        if not keep_alive:
            self._over()
        return there

    def abort(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()

    async def _serve(self) -> None:
        try:
            while self._waiting and self._transport is not None:
                found = self._waiting.popleft()
                self._breathe()
                if isinstance(found, Broken):
                    self._refuse(found)
                else:
                    await self._answer(found)
        finally:
            self._serving = False
        if self._ended:
            self._over()

    async def _answer(self, request: Request) -> None:
        head = request.method == "HEAD"
        caller = Caller(self, self._link, head=head, keep_alive=request.keep_alive)
        await self._server.asked(request, caller)
        if not caller.answered:  # it died with what struck its caller
            self.abort()

    def _refuse(self, found: Broken) -> None:
        self._server.broken(f"answered with {found.status}: {found.why}")
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer(found.status, b"{}", close=True))
            self._linger(self._transport)

    def _linger(self, transport: asyncio.Transport) -> None:
        """End behind the answer, and hear the rest out meanwhile: closed at once, an RST would overtake the answer."""
        self._waiting.clear()
        if transport.can_write_eof():
            transport.write_eof()
        asyncio.get_running_loop().call_later(_LINGER, transport.close)

    def _over(self) -> None:
        """End behind what was written; no request that waits is heard any more."""
        self._waiting.clear()
        if self._transport is not None:
            self._transport.close()

    def _breathe(self) -> None:
        """Read no further while much waits."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if len(self._waiting) > _WAITING:
            transport.pause_reading()
        elif not transport.is_reading():
            transport.resume_reading()


def _hung_up(own: socket.socket) -> bool:
    """Whether the kernel knows that the peer is gone: it has closed, or was killed."""
    poll = select.poll()
    poll.register(own.fileno(), getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR)
    return bool(poll.poll(0))
