"""Contents that do not stand complete in one read: put together frame by frame.

A content up to `HELD_BODY` waits in line until its last body frame; a larger one gets its event at the
header and its body frames stream behind it, and of a delivery the digest is taken as they pass. A content that
breaks off (another method on its channel, too long a body) gets no event: the bytes pass, and the broker judges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from struct import Struct
from typing import Final, TypeAlias

from pytest_mqchaos.wire.amqp.events import WireEvent
from pytest_mqchaos.wire.amqp.protocol import FRAME_OVERHEAD, HELD_BODY
from pytest_mqchaos.wire.amqp.segments import Fence, Line, Piece
from pytest_mqchaos.wire.amqp.tables import MALFORMED

__all__ = ["Content", "ContentBuilder", "Contents"]

ContentBuilder: TypeAlias = Callable[[bytes, int, int, int, bytes, bytes | None, int], WireEvent]
"""Makes the event of a content: bytes, start and stop of the method's arguments in them, channel, properties,
body (None if it streams), size of the body. Raises one of `MALFORMED` if the arguments are malformed."""

_HEADER: Final = Struct(">HHQ").unpack_from
_ARGUMENTS: Final = 11
"""Where the arguments begin in a method frame: behind type, channel, length, class and method."""


@dataclass(slots=True)
class Content:
    """A content of which frames are still to come; `left` is None before its header."""

    frame: bytes
    build: ContentBuilder
    piece: Piece
    raw: bytes = b""
    size: int = 0
    left: int | None = None
    streams: bool = False
    body: list[bytes] = field(default_factory=list)
    fence: Fence | None = None
    passing: blake2b | None = None
    """The digest of what streamed so far, where it is asked for."""


class Contents:
    """The incomplete contents of one direction, by channel; `digests` of those that stream if asked for."""

    __slots__ = ("_builders", "_digests", "_line", "open")

    def __init__(self, builders: Mapping[int, ContentBuilder], line: Line, *, digests: bool = False) -> None:
        self._builders = builders
        self._line = line
        self._digests = digests
        self.open: dict[int, Content] = {}

    def begin(self, method: int, frame: bytes, channel: int, at: int) -> bool:
        """Start a content if this method has one."""
        build = self._builders.get(method)
        if build is None:
            return False
        self.open[channel] = Content(frame, build, self._line.hold(frame, at))
        return True

    def header(self, frame: bytes, channel: int, at: int) -> None:
        """Take the header frame of a channel's content."""
        content = self.open.get(channel)
        if content is None or content.left is not None or len(frame) < FRAME_OVERHEAD + 14:
            self.abandon(channel, at)
            self._line.put(frame, at=at)
            return
        self._extend(content, frame, channel, at)
        _, _, content.size = _HEADER(frame, 7)
        content.raw = frame[19:-1]
        content.left = content.size
        content.streams = content.size > HELD_BODY
        if content.streams:
            content.passing = blake2b(digest_size=8) if self._digests else None
            self._fence(content, channel)
            self._finish(content, channel, None)
        elif not content.size:
            self._complete(content, channel, at)

    def wants(self, channel: int, length: int) -> bool:
        """Whether a body frame of this length belongs to a content that is held back."""
        content = self.open.get(channel)
        if content is None or content.streams or content.left is None:
            return False
        return length <= content.left

    def body(self, frame: bytes, channel: int, at: int) -> None:
        """Take a complete body frame that `wants` asked for."""
        content = self.open[channel]
        self._extend(content, frame, channel, at)
        content.body.append(frame[7:-1])
        content.left = (content.left or 0) - (len(frame) - FRAME_OVERHEAD)
        if not content.left:
            self._complete(content, channel, at)

    def stream(self, channel: int, length: int, at: int) -> Content | None:
        """Note a body frame that passes by itself, and return whose it is; `at` is where it will end."""
        content = self.open.get(channel)
        if content is None:
            return None
        if not content.streams or content.left is None or length > content.left:
            self.abandon(channel, at)
            return None
        content.left -= length
        if not content.left:
            self._close(content, channel, at)
        return content

    def abandon(self, channel: int, at: int) -> None:
        """Forget what a channel's content was to become; its bytes pass."""
        content = self.open.get(channel)
        if content is not None:
            self._close(content, channel, at)
            self._line.release()

    def abandon_all(self, at: int) -> None:
        """Forget all contents: the connection ends before they can."""
        for channel in list(self.open):
            self.abandon(channel, at)

    def _extend(self, content: Content, frame: bytes, channel: int, at: int) -> None:
        """Add a frame; when others stand in between, nothing may be inserted there on this channel."""
        if not self._line.extend(content.piece, frame, at):
            self._fence(content, channel)

    def _fence(self, content: Content, channel: int) -> None:
        if content.fence is None:
            content.fence = Fence(channel, content.piece.end)
            self._line.fences.append(content.fence)

    def _complete(self, content: Content, channel: int, at: int) -> None:
        self._close(content, channel, at)
        self._finish(content, channel, b"".join(content.body))

    def _finish(self, content: Content, channel: int, body: bytes | None) -> None:
        stop = len(content.frame) - 1
        try:
            event = content.build(content.frame, _ARGUMENTS, stop, channel, content.raw, body, content.size)
        except MALFORMED:
            event = None
        content.piece.event = event
        content.piece.open = False
        self._line.release()

    def _close(self, content: Content, channel: int, at: int) -> None:
        del self.open[channel]
        content.piece.open = False
        if content.fence is not None:
            content.fence.stop = at
