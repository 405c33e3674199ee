"""Asking a broker for its greeting: whether anybody answers at an address, and how soon."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

__all__ = ["accepts", "greeted"]

_GREETING = b"AMQP\x00\x00\x09\x01"
_START = b"\x01"
"""How the frame begins in which a broker answers (`connection.start`)."""


async def accepts(address: tuple[str, int], timeout: float) -> bool:
    """Return whether a connection is accepted at an address.

    Raises:
        TimeoutError: if that is not known within `timeout` seconds.
        OSError: if nobody listens there.
    """
    async with asyncio.timeout(timeout):
        _, writer = await asyncio.open_connection(*address)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    return True


async def greeted(address: tuple[str, int], timeout: float, **tls: Any) -> bool:
    """Ask for a greeting, over TLS if asyncio's arguments say so; return whether it came, or only an end.

    Raises:
        TimeoutError: if neither came within `timeout` seconds.
        OSError: if nobody listens there.
    """
    async with asyncio.timeout(timeout):
        reader, writer = await asyncio.open_connection(*address, **tls)
        try:
            writer.write(_GREETING)
            return await reader.read(1) == _START
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
