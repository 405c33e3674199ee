"""How a socket of ours ends, whatever has become of it."""

from __future__ import annotations

import asyncio
import socket

from pytest_mqchaos.link import ending


def test_a_reset_of_what_is_closed_already() -> None:
    """A peer that was gone first has closed it: there is nothing left to reset, and no error."""

    async def scene() -> bool:
        near, far = socket.socketpair()
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=near)
        far.close()
        while not transport.is_closing():
            await asyncio.sleep(0)
        await asyncio.sleep(0)  # the loop closes the socket in its next round
        own = transport.get_extra_info("socket")
        ending.reset(transport)
        return bool(own is None or own.fileno() < 0)

    assert asyncio.run(asyncio.wait_for(scene(), 5))
