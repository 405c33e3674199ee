"""How a socket of ours ends, as its peer sees it."""

from __future__ import annotations

import asyncio
import fcntl
import select
import socket
import struct
import termios
from contextlib import suppress

__all__ = ["LINGER", "drained", "finish", "left", "reset", "unsent"]

LINGER = 0.5
"""Seconds that a peer has to see our FIN before we are gone."""


def finish(transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, *, peer_ended: bool) -> None:
    """End with a FIN behind all that was written.

    A socket that is closed while its peer still talks answers with an RST, which overtakes the FIN: a busy client
    would see a reset where the fault says end of stream. So we read on, and drop what we read, until the peer
    has ended too, for half a second at most; after that it is told by an RST, as by any closed socket.
    """
    if transport.is_closing():
        return
    if peer_ended or not transport.can_write_eof():  # TLS ends as a whole
        transport.close()
        return
    with suppress(OSError):  # the peer is gone already
        transport.write_eof()
    if not transport.is_reading():
        transport.resume_reading()
    loop.call_later(LINGER, transport.close)


def reset(transport: asyncio.Transport) -> None:
    """End with an RST, at once; what was not sent is gone."""
    own = transport.get_extra_info("socket")
    with suppress(OSError):  # its peer was gone, and it is closed already
        if own is not None:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def unsent(own: socket.socket | None) -> int:
    """Bytes in the kernel's send queue that the receiver's kernel has not acknowledged (SIOCOUTQ)."""
    if own is None or own.fileno() < 0:
        return 0
    return int(struct.unpack("i", fcntl.ioctl(own.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))[0])


async def drained(transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, timeout: float) -> bool:
    """Wait until the peer's kernel holds all that was written to it; return whether it does."""
    deadline = loop.time() + timeout
    while not transport.is_closing():
        own = transport.get_extra_info("socket")
        if transport.get_write_buffer_size() == 0 and unsent(own) == 0:
            return True
        if loop.time() > deadline:
            return False
        await asyncio.sleep(0.0002)  # a bounded poll of the kernel: nothing tells when a queue is empty
    return False


def left(own: socket.socket | None) -> bool:
    """Whether the peer has closed its end; what it said before may still wait to be read."""
    if own is None or own.fileno() < 0:
        return False
    gone = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR
    poll = select.poll()
    poll.register(own.fileno(), gone)
    return bool(poll.poll(0))
