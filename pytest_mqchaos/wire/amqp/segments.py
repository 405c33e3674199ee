"""The way out of a scanner: `Segment`s in the order of their bytes, some of them held back.

While a content is incomplete, it and everything behind it in its direction waits in line, so that nothing
of it is passed before its event and no byte overtakes another:

    passed ◄─ [publish 1 + header 1 | ?] [ack 2 | Settled] [body 1] ◄─ scanned
                 waits for its event       waits behind it

`Line.fences` are the stretches of the stream in which nothing may be inserted: between a method and the
rest of its content for that channel, inside of a frame for every channel.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from sys import maxsize

from pytest_mqchaos.wire.amqp.events import BarrierAnswered, WireEvent

__all__ = ["Fence", "Line", "Piece", "Segment"]


@dataclass(slots=True)
class Segment:
    """Bytes to pass on, and what they mean.

    `data` is passed unchanged; it is empty for the swallowed answer of a barrier. `event` is None for bytes
    of no interest. `end` is how many bytes of its direction there are up to its end: what
    `barrier(behind=)` looks at. Not frozen, because one is made for every frame and freezing triples the
    cost.
    """

    data: bytes
    event: WireEvent | None
    end: int


@dataclass(slots=True)
class Piece:
    """Bytes that wait in line; while `open`, the event they belong to is not known yet."""

    data: list[bytes]
    event: WireEvent | None
    open: bool
    end: int


@dataclass(slots=True)
class Fence:
    """A stretch of a stream that nothing on a channel (on any, if None) may be inserted into."""

    channel: int | None
    start: int
    stop: int = maxsize


class Line:
    """What one direction passes on: joins the bytes between events, holds back what must wait."""

    __slots__ = ("_held", "_passing", "_plain", "fences", "held_bytes", "passed")

    def __init__(self) -> None:
        self._passing: list[Segment] = []
        self._plain: list[bytes] = []
        self._held: deque[Piece] = deque()
        self.held_bytes = 0
        self.passed = 0
        self.fences: deque[Fence] = deque(maxlen=64)

    def put(self, data: bytes, event: WireEvent | None = None, *, at: int = 0) -> None:
        """Pass bytes on behind all that came before; `at` is where they end in the stream."""
        if self._held:
            self._wait(Piece([data], event, False, at), len(data))
        else:
            self.emit(data, event)

    def emit(self, data: bytes, event: WireEvent | None = None) -> None:
        """Pass bytes on while nothing waits in line."""
        if event is None:
            self._plain.append(data)
            self.passed += len(data)
            return
        if self._plain:
            self._close_plain()
        if event.__class__ is BarrierAnswered:
            data = b""
        self.passed += len(data)
        self._passing.append(Segment(data, event, self.passed))

    def hold(self, data: bytes, at: int) -> Piece:
        """Make bytes wait, and all that follows behind them, until `release` finds their piece closed."""
        piece = Piece([data], None, True, at)
        self._wait(piece, len(data))
        return piece

    def extend(self, piece: Piece, data: bytes, at: int) -> bool:
        """Add bytes to a piece; return False (and let them wait on their own) if it is not the last."""
        if self._held[-1] is not piece:
            self._wait(Piece([data], None, False, at), len(data))
            return False
        piece.data.append(data)
        piece.end = at
        self.held_bytes += len(data)
        return True

    def release(self) -> None:
        """Pass on what waits, up to the first piece that is still open."""
        held = self._held
        while held and not held[0].open:
            piece = held.popleft()
            data = b"".join(piece.data)
            self.held_bytes -= len(data)
            self.emit(data, piece.event)

    def collect(self) -> list[Segment]:
        """Return the segments since the last call."""
        if self._plain:
            self._close_plain()
        passing, self._passing = self._passing, []
        return passing

    def drain(self) -> bytes:
        """Return all that waits and forget what it was to mean."""
        data = b"".join(part for piece in self._held for part in piece.data)
        self._held.clear()
        self.held_bytes = 0
        return data

    def barred(self, position: int, channel: int) -> bool:
        """Whether a frame inserted at a position would break another, or a content of its channel."""
        return any(
            fence.start <= position < fence.stop and fence.channel in (None, channel) for fence in self.fences
        )

    def _wait(self, piece: Piece, size: int) -> None:
        self._held.append(piece)
        self.held_bytes += size

    def _close_plain(self) -> None:
        data = self._plain[0] if len(self._plain) == 1 else b"".join(self._plain)
        self._plain.clear()
        self._passing.append(Segment(data, None, self.passed))
