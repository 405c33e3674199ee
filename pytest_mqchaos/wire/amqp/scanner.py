"""The scanner of one AMQP 0-9-1 connection: bytes in, segments with events out."""

from __future__ import annotations

from struct import pack
from typing import Final

from pytest_mqchaos.wire.amqp.calls import Call
from pytest_mqchaos.wire.amqp.channels import Channel, Connection
from pytest_mqchaos.wire.amqp.client import ClientMethods
from pytest_mqchaos.wire.amqp.events import BarrierAnswered, Settled
from pytest_mqchaos.wire.amqp.lanes import Lane
from pytest_mqchaos.wire.amqp.protocol import FRAME_END, FrameKind, Method
from pytest_mqchaos.wire.amqp.segments import Segment
from pytest_mqchaos.wire.amqp.server import ServerMethods

__all__ = ["ConnectionScanner"]

_PASSIVE: Final = 1
_BARRIER: Final = (
    pack(">IH", Method.EXCHANGE_DECLARE, 0)
    + b"\x0aamq.direct"
    + b"\x06direct"
    + bytes([_PASSIVE])
    + pack(">I", 0)
)
"""A passive declaration of an exchange that every virtual host has: answered, and changes nothing."""


class ConnectionScanner:
    """Scans both directions of one connection. It does no I/O, keeps no clock and never raises.

    The bytes of all segments of a direction, joined, are the bytes that came in, without the answers to
    barriers.
    """

    __slots__ = ("_client", "_connection", "_server")

    def __init__(self) -> None:
        self._connection = Connection()
        client, server = ClientMethods(self._connection), ServerMethods(self._connection)
        self._client = Lane("client", client.handlers, client.builders)
        self._server = Lane("server", server.handlers, server.builders)

    def from_client(self, data: bytes) -> list[Segment]:
        """Scan what was read from the client; return what may be passed to the server, in order."""
        segments = self._client.feed(data)
        if self._client.unscanned:
            self._server.unscanned = True
        return segments

    def from_server(self, data: bytes) -> list[Segment]:
        """Scan what was read from the server; return what may be passed to the client, in order."""
        segments = self._server.feed(data)
        if self._server.unscanned:
            self._client.unscanned = True
        return segments

    def barrier(self, channel: int, *, behind: Segment | None = None) -> bytes | None:
        """Return the bytes of a barrier: write them to the server directly behind a segment of the client's.

        Its answer is swallowed and becomes `BarrierAnswered`. `behind` is the last segment that was passed
        on; without it, all that `from_client` returned counts as passed. What the client asked behind that
        segment is answered after the barrier, and a closing that is still held back does not count.

        Returns:
            None where no barrier can be: the channel is not open or is closing, the connection is closing
            or not AMQP, or that place is in the middle of a frame or of a content of the channel.

        """
        position = self._client.line.passed if behind is None else behind.end
        state = self._open_at(channel, position)
        if state is None:
            return None

        def answered(_: Call | None) -> BarrierAnswered:
            return BarrierAnswered(channel)

        state.slip_in(Method.EXCHANGE_DECLARE_OK, position, answered)
        return _frame(channel, _BARRIER)

    def acknowledgement(
        self, channel: int, tag: int, *, at: int | None = None
    ) -> tuple[bytes, Settled] | None:
        """Return the bytes of an ack that the client does not send, and what they mean; write them to the server.

        `at` is where they stand in the client's stream; by default behind all that `from_client` returned.

        Returns:
            None where it cannot be: as for a barrier, or if the delivery is not open. In a transaction it counts
            with the client's next commit.
        """
        state = self._open_at(channel, self._client.line.passed if at is None else at)
        if state is None or not (taken := state.deliveries.take(tag)):
            return None
        if state.transactional:
            state.settled_in_transaction += taken
        event = Settled(channel, "ack", tag, False, False, taken, state.transactional)
        return _frame(channel, pack(">IQB", Method.BASIC_ACK, tag, 0)), event

    def emptiness(self, channel: int) -> bytes:
        """Return the bytes of an answer to a get that found nothing; write them to the client."""
        return _frame(channel, pack(">IB", Method.BASIC_GET_EMPTY, 0))

    def _open_at(self, channel: int, position: int) -> Channel | None:
        """Return a channel on which a frame of ours may stand at a position of the client's stream."""
        connection, state = self._connection, self._connection.channels.get(channel)
        if self._client.unscanned or connection.refused:
            return None
        if state is None or not state.is_open or state.refused:
            return None
        for closing_at in (connection.closing_at, state.closing_at):
            if closing_at is not None and closing_at <= position:
                return None
        return None if self._client.line.barred(position, channel) else state

    def flush(self) -> tuple[bytes, bytes]:
        """Return the bytes held back, the client's and the server's, and scan no more: the stream ended."""
        return self._client.flush(), self._server.flush()


def _frame(channel: int, method: bytes) -> bytes:
    return pack(">BHI", FrameKind.METHOD, channel, len(method)) + method + bytes([FRAME_END])
