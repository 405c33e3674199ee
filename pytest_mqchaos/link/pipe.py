"""One direction of a connection: what arrives is scanned, and passed on up to the event that a fault strikes at."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Literal

from pytest_mqchaos.link.passage import Passage
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
        self.fed = False
        """Whether its sender has said anything."""
        self.farewell = False
        """Whether only the goodbye of the connection passes, past what is held."""
        self._choked: set[str] = set()
        """Who takes no more for now: the receiver, or what lies on the way."""
        self.thirst = 0
        """How many want all to be read that comes, whether the receiver takes it or not."""
        self._told_end = False
        self.out = Passage(
            relay.weather,
            "broker" if side == "client" else "client",
            loop=relay.loop,
            sink=self._deliver,
            choke=lambda paused: self.choke(paused=paused, by="way out"),
        )
        """The way out to the receiver."""

    def feed(self, data: bytes) -> None:
        """Scan what arrived and pass on what may pass; after the end of the connection nothing may."""
        if self.relay.closed:
            return
        self.fed = True
        scanner = self.relay.scanner
        if self.side == "client" and self.relay.scaler is not None:
            data = self.relay.scaler.feed(data)
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
        if self.relay.ways.swallowing:
            while waiting:
                self.relay.withhold(waiting.popleft())
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
        self.breathe()
        if self.side == "client" and not waiting:
            self.relay.judged()
        if self.ended and not self.standing and not waiting and not self._told_end:
            self._told_end = True
            self.out.end(lambda: self.relay.source_ended(self))

    @property
    def standing(self) -> bool:
        """Whether nothing passes now."""
        return self.held and not self.farewell

    def write(self, data: bytes) -> None:
        """Send bytes on their way to the receiver."""
        self.out.put(data)

    def _deliver(self, data: bytes) -> None:
        """Hand bytes to the receiver's socket."""
        target = self.relay.upstream
        if self.side == "server":
            self.relay.ways.client_hears(data)
        elif target is not None and not target.is_closing():
            target.write(data)

    def choke(self, *, paused: bool, by: str = "receiver") -> None:
        """Stop reading the sender while the receiver, or the way there, takes no more; or go on."""
        (self._choked.add if paused else self._choked.discard)(by)
        self.breathe()

    def breathe(self) -> None:
        """Stop reading the sender while much of what it sent waits, for a strike or for the receiver, or go on."""
        source = self._source
        if source is None:
            return
        full = self.held and sum(len(s.data) for s in self.waiting) > _HIGH_WATER
        if not self.thirst and (full or self._choked):
            source.pause_reading()
        elif not source.is_reading():
            source.resume_reading()

    @property
    def _source(self) -> asyncio.Transport | None:
        """The sender's socket, while there is something to read from it."""
        source = self.relay.client if self.side == "client" else self.relay.upstream
        return None if self.relay.closed or source is None or source.is_closing() else source
