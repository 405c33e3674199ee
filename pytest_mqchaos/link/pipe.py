"""One direction of a connection: what arrives is scanned, and passed on up to the event that a fault strikes at."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Literal

from pytest_mqchaos.wire.amqp import Segment
from pytest_mqchaos.wire.amqp.events import BarrierAnswered, ConnectionClosing

if TYPE_CHECKING:
    from pytest_mqchaos.link.relay import Relay

__all__ = ["Pipe"]

_HIGH_WATER = 1 << 20


class Pipe:
    """One direction of a connection."""

    def __init__(self, relay: Relay, side: Literal["client", "server"]) -> None:
        self.relay = relay
        self.side = side
        self.waiting: deque[Segment] = deque()
        self.held = False
        self.ended = False
        self.farewell = False
        """Whether only the goodbye of the connection passes, past what is held."""
        self._choked = False
        """Whether the receiver takes no more for now."""

    def feed(self, data: bytes) -> None:
        """Scan what arrived and pass on what may pass; after the end of the connection nothing may."""
        if self.relay.closed:
            return
        scanner = self.relay.scanner
        found = scanner.from_client(data) if self.side == "client" else scanner.from_server(data)
        for segment in found:
            if type(segment.event) is BarrierAnswered:
                self.relay.answered(segment.event.channel)
            else:
                self.waiting.append(segment)
        self.run()

    def run(self) -> None:
        """Pass on what waits, up to the next event that a fault strikes at."""
        ready: list[bytes] = []
        waiting = self.waiting
        while waiting and not self.standing and not self.relay.closed:
            segment = waiting.popleft()
            if self.farewell and type(segment.event) is not ConnectionClosing:
                self.relay.withhold(segment)
            elif segment.event is None or self.relay.judge(self, segment):
                ready.append(segment.data)
            else:
                break
        if ready:
            self.write(b"".join(ready))
        self._breathe()
        if self.side == "client" and not waiting:
            self.relay.judged()
        if self.ended and not self.standing and not waiting:
            self.relay.source_ended(self)

    @property
    def standing(self) -> bool:
        """Whether nothing passes now."""
        return self.held and not self.farewell

    def write(self, data: bytes) -> None:
        """Hand bytes to the receiver's socket."""
        target = self.relay.upstream if self.side == "client" else self.relay.client
        if target is not None and not target.is_closing():
            target.write(data)

    def choke(self, *, paused: bool) -> None:
        """Stop reading the sender while the receiver takes no more, or go on."""
        self._choked = paused
        source = self._source
        if source is None:
            return
        if paused:
            source.pause_reading()
        else:
            source.resume_reading()

    def _breathe(self) -> None:
        """Stop reading the sender while much of what it sent waits for a strike."""
        source = self._source
        if source is None:
            return
        if self.held and sum(len(s.data) for s in self.waiting) > _HIGH_WATER:
            source.pause_reading()
        elif not source.is_reading() and not self.held and not self._choked:
            source.resume_reading()

    @property
    def _source(self) -> asyncio.Transport | None:
        """The sender's socket, while there is something to read from it."""
        source = self.relay.client if self.side == "client" else self.relay.upstream
        return None if self.relay.closed or source is None or source.is_closing() else source
