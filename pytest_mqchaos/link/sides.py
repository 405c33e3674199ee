"""The two sockets of a relay, as asyncio's protocols."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

from pytest_mqchaos.link.loop import keep
from pytest_mqchaos.link.relay import Relay

__all__ = ["BrokerSide", "ClientSide"]

_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)


class ClientSide(asyncio.Protocol):
    """The client's socket; `accept` makes its relay."""

    relay: Relay

    def __init__(self, accept: Callable[[asyncio.Transport], Relay]) -> None:
        self._accept = accept

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Make the relay."""
        assert isinstance(transport, asyncio.Transport)
        _begin(transport)
        self._socket = transport.get_extra_info("socket")
        self.relay = self._accept(transport)
        self._hear_at_once()

    def data_received(self, data: bytes) -> None:
        """Hand on what the client says."""
        self._hear_at_once()
        self.relay.client_data(data)

    def _hear_at_once(self) -> None:
        """Acknowledge what has come without delay: a client's kernel may hold its next small write until then (Nagle).

        An ack that waits there comes up to 40 ms late, behind the work that it was sent before. The kernel forgets
        this with each segment.
        """
        if _QUICKACK is not None and self._socket is not None:
            with suppress(OSError):  # it is closed already
                self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)

    def eof_received(self) -> bool:
        """Hand on its end; our side stays open for now."""
        self.relay.sender_closed("client")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand on its end."""
        self.relay.sender_closed("client")

    def pause_writing(self) -> None:
        """Hand on that it takes no more."""
        self.relay.writing("client", paused=True)

    def resume_writing(self) -> None:
        """Hand on that it takes more."""
        self.relay.writing("client", paused=False)


class BrokerSide(asyncio.Protocol):
    """The socket towards the broker."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._secure = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give the relay its other side, if it is still there."""
        assert isinstance(transport, asyncio.Transport)
        _begin(transport)
        self._secure = transport.get_extra_info("sslcontext") is not None
        if self._relay.closed:
            transport.close()
            return
        self._relay.upstream_ready(transport)

    def data_received(self, data: bytes) -> None:
        """Hand on what the broker says."""
        self._relay.ways.broker_data(data)

    def eof_received(self) -> bool:
        """Hand on its end; our side stays open for now, but under TLS, which has no half that does."""
        self._relay.ways.broker_ended()
        return not self._secure

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand on its end."""
        self._relay.ways.broker_ended()

    def pause_writing(self) -> None:
        """Hand on that it takes no more."""
        self._relay.writing("server", paused=True)

    def resume_writing(self) -> None:
        """Hand on that it takes more."""
        self._relay.writing("server", paused=False)


def _begin(transport: asyncio.Transport) -> None:
    """Let what is written leave at once, and the connection end with the thread at the latest."""
    keep(transport)
    own = transport.get_extra_info("socket")
    if own is not None:
        own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
