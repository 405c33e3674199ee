"""A `Lane`: one direction of a connection, from bytes in reads of any size to segments.

Most reads hold whole frames and whole contents: `_scan` walks them in place, one slice per event. Whatever
is otherwise (a content in several frames or reads, heartbeats, bodies that stream) goes frame by frame
through `_careful`. The end of a read that is no whole frame is kept as a list of chunks until its frame is
complete, so every byte is copied a constant number of times, whatever the sizes.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct
from typing import Final

from pytest_mqchaos.wire.amqp.calls import MethodHandler
from pytest_mqchaos.wire.amqp.contents import Content, ContentBuilder, Contents
from pytest_mqchaos.wire.amqp.events import (
    BodyPassed,
    ConnectionClosed,
    ConnectionClosing,
    NotAmqp,
    Peer,
    WireEvent,
)
from pytest_mqchaos.wire.amqp.greetings import wrong_greeting
from pytest_mqchaos.wire.amqp.protocol import (
    FRAME_END,
    FRAME_OVERHEAD,
    GREETING,
    HELD_BODY,
    HELD_BYTES,
    LARGEST_METHOD,
    FrameKind,
)
from pytest_mqchaos.wire.amqp.segments import Fence, Line, Segment
from pytest_mqchaos.wire.amqp.tables import MALFORMED

__all__ = ["Lane"]

_FRAME: Final = Struct(">BHI").unpack_from
_METHOD: Final = Struct(">BHII").unpack_from
_HEADER: Final = Struct(">BHIHHQ").unpack_from
_PAYLOAD: Final = 7
_ARGUMENTS: Final = 11
_SHORTEST_METHOD: Final = 12
_SHORTEST_HEADER: Final = 22
_KINDS: Final = frozenset(int(kind) for kind in FrameKind)
_METHOD_KIND, _HEADER_KIND, _BODY_KIND = int(FrameKind.METHOD), int(FrameKind.HEADER), int(FrameKind.BODY)


class _GaveUp(Exception):
    """The bytes from `position` of the read on are no frames."""

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(reason)
        self.position = position


class Lane:
    """Scans what one end of a connection sends.

    `unscanned` is set when the stream turned out not to be AMQP; from then on bytes pass as they come.
    """

    __slots__ = (
        "_builders",
        "_chunks",
        "_contents",
        "_direction",
        "_greeting_due",
        "_handlers",
        "_have",
        "_need",
        "_skip",
        "_start",
        "_streaming",
        "line",
        "unscanned",
    )

    def __init__(
        self, direction: Peer, handlers: Mapping[int, MethodHandler], builders: Mapping[int, ContentBuilder]
    ) -> None:
        self._direction = direction
        self._handlers = handlers
        self._builders = builders
        self.line = Line()
        self._contents = Contents(builders, self.line, digests=direction == "server")
        self.unscanned = False
        self._greeting_due = direction == "client"
        self._chunks: list[bytes] = []  # the beginning of a frame, `_have` bytes of the `_need` that help
        self._have = self._need = 0
        self._skip = 0  # bytes still to come of a body frame that streams, and whose it is
        self._streaming: tuple[int, Content] | None = None
        self._start = 0  # where in the stream the read in hand begins

    def feed(self, data: bytes) -> list[Segment]:
        """Scan what was read next; return what may be passed on (nothing while all has to wait)."""
        if self.unscanned:
            data = self.flush() + data
            self.line.passed += len(data)
            return [Segment(data, None, self.line.passed)] if data else []
        self._chunks.append(data)
        self._have += len(data)
        if self._have < self._need or not data:
            return []
        read = data if len(self._chunks) == 1 else b"".join(self._chunks)
        try:
            self._keep(read, self._scan(read))
        except _GaveUp as reason:
            self._chunks = [read[reason.position :]]
            self.line.put(self.flush(), NotAmqp(self._direction, str(reason)))
        return self.line.collect()

    def flush(self) -> bytes:
        """Return the bytes that were held back, and scan no more."""
        self.unscanned = True
        held = self.line.drain() + b"".join(self._chunks)
        self._chunks.clear()
        return held

    def _keep(self, read: bytes, pos: int) -> None:
        """Keep the end of a read for the next."""
        if self.line.held_bytes > HELD_BYTES:
            raise _GaveUp(f"more than {HELD_BYTES} bytes wait behind an incomplete content", pos)
        self._start += pos
        self._have = len(read) - pos
        self._chunks = [read[pos:]] if self._have else []
        if not self._have:
            self._need = 0

    def _scan(self, data: bytes) -> int:
        """Pass on what can be of one read; return how far that is."""
        if self._greeting_due:
            pos = self._greet(data)
            if not pos:
                return 0
        else:
            pos = self._resume(data)
        while pos < len(data):
            pos = self._walk(data, pos)
            if pos < len(data):
                after = self._careful(data, pos)
                if after == pos:
                    break
                pos = after
        return pos

    def _walk(self, data: bytes, pos: int) -> int:
        """Pass whole methods and contents as they stand in the read; return where something else begins."""
        if self._contents.open:
            return pos
        handlers, builders, emit, start = self._handlers, self._builders, self.line.emit, self._start
        size, plain = len(data), pos
        last = size - _SHORTEST_METHOD
        while pos <= last:
            kind, channel, length, method = _METHOD(data, pos)
            stop = pos + 7 + length
            if kind != _METHOD_KIND or length < 4 or stop >= size or data[stop] != FRAME_END:
                break
            end = stop + 1
            event: WireEvent | None = None
            try:
                if method in builders:
                    raw, body, length, end = _whole_content(data, end, channel)
                    if not end:
                        break
                    event = builders[method](data, pos + _ARGUMENTS, stop, channel, raw, body, length)
                elif method in handlers:
                    event = handlers[method](data, pos + _ARGUMENTS, stop, channel, start + end)
            except MALFORMED:
                pass  # the bytes pass, and the broker judges
            if event is not None:
                if plain < pos:
                    emit(data[plain:pos])
                emit(data[pos:end], event)
                plain = end
            pos = end
        if plain < pos:
            emit(data[plain:pos])
        return pos

    def _greet(self, data: bytes) -> int:
        """Pass the protocol header; return where frames begin, or 0 if it is not complete."""
        reason = wrong_greeting(data)
        if reason is not None:
            raise _GaveUp(reason, 0)
        if len(data) < len(GREETING):
            self._need = len(data) + 1
            return 0
        self._greeting_due = False
        self.line.put(data[: len(GREETING)])
        return len(GREETING)

    def _resume(self, data: bytes) -> int:
        """Pass the rest of a body frame that streams; return where frames begin."""
        if not self._skip:
            return 0
        taken = min(self._skip, len(data))
        if taken == self._skip and data[taken - 1] != FRAME_END:
            raise _GaveUp("a frame does not end with its end octet", 0)
        self._skip -= taken
        event = None if self._streaming is None else self._passed(data, 0, taken)
        self.line.put(data[:taken], event, at=self._start + taken)
        return taken

    def _passed(self, data: bytes, start: int, stop: int) -> BodyPassed | None:
        """Take the payload of a body frame into its digest; return the digest with its last byte."""
        assert self._streaming is not None
        channel, content = self._streaming
        assert content.passing is not None
        content.passing.update(memoryview(data)[start : stop - (not self._skip)])
        if self._skip:
            return None
        self._streaming = None
        return None if content.left else BodyPassed(channel, content.passing.hexdigest())

    def _careful(self, data: bytes, pos: int) -> int:
        """Take one frame, whatever it is; return where the next begins, or `pos` if it is not complete."""
        kind = data[pos]
        if kind not in _KINDS:
            raise _GaveUp(f"a frame has the type {kind}", pos)
        if len(data) - pos < FRAME_OVERHEAD:
            self._need = FRAME_OVERHEAD
            return pos
        channel: int
        length: int
        _, channel, length = _FRAME(data, pos)
        end = pos + FRAME_OVERHEAD + length
        streams = kind == _BODY_KIND and not self._contents.wants(channel, length)
        if not streams and length > LARGEST_METHOD:
            raise _GaveUp(f"a frame of type {kind} has {length} bytes", pos)
        if end <= len(data):
            if data[end - 1] != FRAME_END:
                raise _GaveUp("a frame does not end with its end octet", pos)
        elif not streams:
            self._need = end - pos
            return pos
        if streams:
            return self._stream(data, pos, end, channel)
        self._take(kind, data[pos:end], channel, self._start + end)
        return end

    def _stream(self, data: bytes, pos: int, end: int, channel: int) -> int:
        """Pass as much of a body frame as is there, and remember to pass the rest."""
        content = self._contents.stream(channel, end - pos - FRAME_OVERHEAD, self._start + end)
        there = min(end, len(data))
        if there < end:
            self._skip = end - there
            self.line.fences.append(Fence(None, self._start + pos + 1, self._start + end))
        event = None
        if content is not None and content.passing is not None:
            self._streaming = channel, content
            event = self._passed(data, pos + _PAYLOAD, there)
        self.line.put(data[pos:there], event, at=self._start + there)
        return there

    def _take(self, kind: int, frame: bytes, channel: int, at: int) -> None:
        """Take a complete frame while a content is open, or one that the fast walk leaves aside."""
        if kind == _HEADER_KIND:
            self._contents.header(frame, channel, at)
        elif kind == _BODY_KIND:
            self._contents.body(frame, channel, at)
        elif kind == _METHOD_KIND and len(frame) >= _SHORTEST_METHOD:
            self._contents.abandon(channel, at - len(frame))
            method = _METHOD(frame)[3]
            if not self._contents.begin(method, frame, channel, at):
                event = self._event(method, frame, channel, at)
                if isinstance(event, ConnectionClosing | ConnectionClosed):
                    self._contents.abandon_all(at - len(frame))
                self.line.put(frame, event, at=at)
        else:
            self.line.put(frame, at=at)

    def _event(self, method: int, frame: bytes, channel: int, at: int) -> WireEvent | None:
        handler = self._handlers.get(method)
        try:
            return None if handler is None else handler(frame, _ARGUMENTS, len(frame) - 1, channel, at)
        except MALFORMED:
            return None


def _whole_content(data: bytes, pos: int, channel: int) -> tuple[bytes, bytes, int, int]:
    """Read a content with one body frame at most: properties, body, size of the body, where it ends.

    The end is 0 if the content is not like that, or not all there.
    """
    incomplete = b"", b"", 0, 0
    size = len(data)
    if pos + _SHORTEST_HEADER > size:
        return incomplete
    kind, number, length, _, _, body_size = _HEADER(data, pos)
    stop = pos + 7 + length
    body = stop + 8
    end = body + body_size + 1 if body_size else stop + 1
    if kind != _HEADER_KIND or number != channel or length < 14 or end > size or body_size > HELD_BODY:
        return incomplete
    if body_size:
        kind, number, length = _FRAME(data, stop + 1)
        if kind != _BODY_KIND or number != channel or length != body_size or data[end - 1] != FRAME_END:
            return incomplete
    if data[stop] != FRAME_END:
        return incomplete
    return data[pos + 19 : stop], data[body : body + body_size], body_size, end
