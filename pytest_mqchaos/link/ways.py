"""The ways of one connection, as faults of the network find them: in from the broker, out to it, out to the client.

Where the client speaks TLS, its socket alone carries ciphertext: what is read, held, swallowed and late is plain text.
The handshake begins once the broker's side is connected, so it meets what is in force: in a stall and in a black
hole it has no answer.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

from pytest_mqchaos.link.passage import Passage
from pytest_mqchaos.link.tls import TlsSession, trouble

if TYPE_CHECKING:
    from pytest_mqchaos.link.relay import Relay

__all__ = ["Ways"]


class Ways:
    """What lies between a relay and its sockets, and what faults do there."""

    def __init__(self, relay: Relay, tls: ssl.SSLContext | None = None) -> None:
        """Make them; with `tls` the client is spoken to by it."""
        self.swallowing = False
        """Whether all that is said is gone."""
        self._tls = None if tls is None else TlsSession(tls)
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

    # --- the client's side ---

    def client_data(self, data: bytes) -> None:
        """Take bytes of the client's socket, and hand on what it says by them."""
        relay, tls = self._relay, self._tls
        if tls is None:
            relay.from_client.feed(data)
            return
        if self.swallowing and not tls.open:
            return
        said = tls.read(data)
        self._tell(tls.answer())
        if said:
            relay.from_client.feed(said)
        else:
            relay.judged()  # it may stand: for a part of the handshake, or of a record
        if relay.closed:
            return
        if tls.failure is not None:
            relay.close("client")
        elif tls.ended and not relay.from_client.ended:
            relay.sender_closed("client")

    def client_hears(self, data: bytes) -> None:
        """Write to the client's socket what the client is to hear."""
        self._tell(data if self._tls is None else self._tls.seal(data))

    def say_goodbye(self) -> None:
        """Tell a client that speaks TLS that the end is meant; a connection that is cut ends without."""
        if self._tls is not None and not self.swallowing:
            self._tell(self._tls.goodbye())

    def _tell(self, data: bytes) -> None:
        client = self._relay.client
        if data and client is not None and not client.is_closing():
            with self._relay.client_stands():
                client.write(data)

    # --- the broker's side ---

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

    # --- what faults do ---

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
        for pipe in (self._relay.from_client, self._relay.from_server):
            pipe.choke(paused=False)  # nothing goes to a receiver any more, so none holds up its sender
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
        if self._tls is not None and (self._tls.failure is not None or self._relay.client_left):
            self._relay.not_amqp = self._relay.not_amqp or trouble(self._tls)
        for passage in (self._in, *self._out):
            passage.close()
