"""The ways of one connection, as faults of the network find them: in from the broker, out to it, out to the client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pytest_mqchaos.link.passage import Passage

if TYPE_CHECKING:
    from pytest_mqchaos.link.relay import Relay

__all__ = ["Ways"]


class Ways:
    """What lies between a relay and its sockets, and what faults do there."""

    def __init__(self, relay: Relay) -> None:
        self.swallowing = False
        """Whether all that is said is gone."""
        self._relay = relay
        self._loop = relay.loop
        server = relay.from_server
        self._in = Passage(
            relay.weather,
            "broker",
            loop=relay.loop,
            sink=server.feed,
            choke=lambda paused: server.choke(paused=paused, by="way in"),
        )
        self._out = relay.from_client.out, server.out

    def broker_data(self, data: bytes) -> None:
        """Take bytes of the broker."""
        self._in.put(data)

    def broker_ended(self) -> None:
        """The broker's end has arrived; it is felt behind all that the broker had said."""
        relay = self._relay
        if relay.closed:
            relay.sender_closed("server")
        else:
            self._in.end(lambda: relay.sender_closed("server"))

    # What the broker says is read all the same: so the history knows what was on its way, and never arrived.

    def stall(self) -> None:
        """Let nothing pass, also of what is on its way out already; each call wants a `flow`."""
        self._relay.hold()
        for passage in self._out:
            passage.stand()

    def flow(self) -> None:
        """Let pass what was stalled, once nothing else keeps it."""
        for passage in self._out:
            passage.go_on()
        self._relay.release()

    def swallow(self) -> None:
        """Let everything be gone from now on, both ways, ends too; the connection stays open until it is closed."""
        self.swallowing = True
        self._relay.hold()
        for passage in self._out:
            passage.forget()
            passage.stand()
        self._relay.from_client.run()
        self._relay.from_server.run()

    def gulp(self) -> None:
        """Read whatever the broker's side sends, whether the client takes it or not; each call wants a `sip`."""
        self._relay.from_server.thirst += 1
        self._relay.from_server.breathe()

    def sip(self) -> None:
        """Read no more than the client takes, once nobody wants all of it."""
        self._relay.from_server.thirst -= 1
        self._relay.from_server.breathe()

    async def told_client(self, timeout: float) -> bool:
        """Wait until nothing that was passed on to the client waits here; return whether that is so in time."""
        out = self._relay.from_server.out
        deadline = self._loop.time() + timeout
        while not out.empty and not self._relay.closed and self._loop.time() < deadline:
            await asyncio.sleep(0.001)  # a bounded poll: it goes in pieces
        return out.empty

    def close(self) -> None:
        """Forget what is on its way, for good."""
        for passage in (self._in, *self._out):
            passage.close()
