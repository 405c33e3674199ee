"""Stops a client in the very moment it sends, whoever else wants the processor then.

A strike at a frame of the client's (`after=ack(5)`) begins with SIGSTOP to its processes. Sent by the wire it comes
when the wire gets to run: on a busy machine tens of milliseconds late, and the client has done its work meanwhile.
So the kernel is asked to send it. Data that arrives on a socket with `O_ASYNC` signals the socket's owner
(fcntl(2), `F_SETOWN`, `F_SETSIG`), and on loopback data arrives inside the sender's own call of `send`:

```
 client    send(ack) ─► our socket ─► SIGSTOP to the client's group: it does not come out of `send`
 wire                     later: reads, judges; strikes, or lets the client go on (SIGCONT)
```
Each of the client's writes costs it a stop, so the wire is set only while the next one may be the one awaited.

The kernel wakes us before it signals, so we may have read and judged before the client stops: nothing would let it
go on then. While the wire is set we therefore look now and then whether it stands and nothing of it is unread.
Once the wire is cleared no signal can follow: the kernel takes the same lock to send and to forget.

While we write to the same socket we have it locked: data that arrives meanwhile waits for us, and its sender goes on
unstopped, for as long as another process keeps us from the processor inside that call. So while the wire is set we
write to a client that stands only (`standing`).
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
import struct
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

__all__ = ["Halted", "Tripwire"]


_WATCH = 0.005
"""Seconds between two looks at a client that may stand for nothing."""


class Halted(Protocol):
    """The process group behind a client's socket."""

    @property
    def group(self) -> int:
        """Its number."""

    @property
    def stands(self) -> bool:
        """Whether it is stopped right now."""

    def go_on(self) -> None:
        """Let it run, unless it stands for another reason."""

    def halt(self) -> None:
        """Stop it for a moment."""


class Tripwire:
    """One socket on which a client's data stops the client. Used on the link's thread only."""

    def __init__(
        self,
        own: socket.socket,
        client: Halted,
        *,
        loop: asyncio.AbstractEventLoop,
        judging: Callable[[], bool] = lambda: False,
    ) -> None:
        """Make it, not yet set; `judging` says whether something that was read has not passed yet."""
        self._own = own
        self._client = client
        self._loop = loop
        self._judging = judging
        self._watch: asyncio.TimerHandle | None = None
        self._set = False

    def set(self) -> None:
        """Stop the client from now on whenever it sends; where the system cannot, nothing happens."""
        if self._set or not sys.platform.startswith("linux"):
            return
        with suppress(OSError, ValueError):  # the socket has just ended
            fcntl.fcntl(self._own.fileno(), fcntl.F_SETOWN, -self._client.group)
            fcntl.fcntl(self._own.fileno(), fcntl.F_SETSIG, signal.SIGSTOP)
            self._mark(os.O_ASYNC)
            self._set = True
            self._watch = self._loop.call_later(_WATCH, self._look)

    def clear(self) -> None:
        """Stop it no more, and let it go on; may be called again."""
        if self._set:
            self._set = False
            if self._watch is not None:
                self._watch.cancel()
            with suppress(OSError, ValueError):
                self._mark(0)
            self._client.go_on()

    def judged(self) -> None:
        """Let the client go on: all that was read has been judged, and nothing strikes."""
        if not self._set or self._judging() or self._unread():
            return
        self._client.go_on()
        if self._unread():  # sent by another thread of it just before: our SIGCONT has undone that one's stop
            self._client.halt()

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Let the client stand while something is written to it."""
        if self._set:
            self._client.halt()
        try:
            yield
        finally:
            self.judged()

    def _look(self) -> None:
        self._watch = self._loop.call_later(_WATCH, self._look)
        if self._client.stands:
            self.judged()

    def _mark(self, flag: int) -> None:
        flags = fcntl.fcntl(self._own.fileno(), fcntl.F_GETFL)
        fcntl.fcntl(self._own.fileno(), fcntl.F_SETFL, flags & ~os.O_ASYNC | flag)

    def _unread(self) -> bool:
        try:
            answer = fcntl.ioctl(self._own.fileno(), termios.FIONREAD, b"\0\0\0\0")
        except (OSError, ValueError):
            return False
        return bool(struct.unpack("i", answer)[0])
