"""Delays that a client says, scaled before anybody else hears them.

```
 client ──► Scaler ──► scanner ──► broker
              │ queue.declare: x-message-ttl, x-expires
              └ content header: expiration
```
What stands behind it sees the connection as if the client had said the scaled numbers, so places in the stream, events
and the broker agree. Only the frames that may hold such a number are held until they are whole; of these only the
number and the lengths around it are written anew. A number keeps its type where it fits, and becomes a 64-bit one where
not. Everything else passes as it came, and so does all of a stream that is no AMQP.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct, pack
from typing import Final

from pytest_mqchaos.model.scaling import LIVES, scaled
from pytest_mqchaos.wire.amqp.protocol import (
    FRAME_END,
    GREETING,
    GREETINGS,
    LARGEST_METHOD,
    FrameKind,
    Method,
)
from pytest_mqchaos.wire.amqp.tables import MALFORMED, MalformedError, find_field, text

__all__ = ["Scaler"]

_FRAME: Final = Struct(">BHI")
_LONG: Final = Struct(">I")
_SHORT: Final = Struct(">H")
_DECLARE: Final = pack(">I", Method.QUEUE_DECLARE)
_HEAD: Final = 7
_LOOK: Final = _HEAD + 4
"""Octets of a method frame that tell which method it is."""
_PROPERTIES: Final = _HEAD + 12
"""Where the properties begin in a header frame: behind class, weight and the body's size."""
_KINDS: Final = frozenset(int(kind) for kind in FrameKind)
_NUMBERS: Final = {
    ord("b"): (Struct(">b"), 1 << 7),
    ord("B"): (Struct(">B"), 1 << 8),
    ord("s"): (Struct(">h"), 1 << 15),
    ord("u"): (Struct(">H"), 1 << 16),
    ord("I"): (Struct(">i"), 1 << 31),
    ord("i"): (Struct(">I"), 1 << 32),
    ord("l"): (Struct(">q"), 1 << 63),
    ord("L"): (Struct(">q"), 1 << 63),
}
"""Integers by their type octet: how they are written, and what is too much for them."""
_LARGE: Final = ord("l")
_DIGITS: Final = 15
"""Digits of an expiration that is scaled: a longer one is none that a broker takes."""
_BEFORE: Final = ((0x8000, "text"), (0x4000, "text"), (0x2000, "table"), (0x1000, "octet"), (0x0800, "octet"),
                  (0x0400, "text"), (0x0200, "text"))  # fmt: skip
"""The properties that stand before `expiration`, by their flags."""
_EXPIRATION: Final = 0x0100

Told = Callable[[str, str, int, int], object]


class Scaler:
    """Scales what one client says on one connection; feed it whatever was read.

    Args:
        scale: the factor.
        told: called with a queue's name (empty for a message), what was scaled, and both values.
    """

    def __init__(self, scale: float, told: Told = lambda *_: None) -> None:
        self._scale = scale
        self._told = told
        self._rest = b""
        """The beginning of what is not whole yet."""
        self._skip = 0
        """Octets still to come of a frame that passes."""
        self._greeted = False
        self._blind = False
        """Whether the stream turned out to be no AMQP."""

    def feed(self, data: bytes) -> bytes:
        """Take what was read, and return what is to go on."""
        if self._blind:
            return data
        read, self._rest = self._rest + data, b""
        out: list[bytes] = []
        done = 0
        pos = min(self._skip, len(read))
        self._skip -= pos
        while pos < len(read):
            stop, whole = self._next(read, pos)
            if not stop:
                break
            if whole and (new := self._scaled(read[pos:stop])) is not None:
                out += (read[done:pos], new)
                done = stop
            self._skip = max(0, stop - len(read))
            pos = min(stop, len(read))
        if self._blind:
            pos = len(read)
        self._rest = read[pos:]
        return b"".join([*out, read[done:pos]])

    def _next(self, read: bytes, pos: int) -> tuple[int, bool]:
        """Where what begins here ends, and whether it is to be looked at; 0 if more is needed, or nothing is known."""
        if not self._greeted:
            return self._greeting(read, pos)
        if len(read) - pos < _HEAD:
            return 0, False
        kind, _, length = _FRAME.unpack_from(read, pos)
        stop = pos + _HEAD + length + 1
        if kind not in _KINDS:
            return self._give_up()
        if kind == FrameKind.METHOD and length >= len(_DECLARE):
            if len(read) - pos < _LOOK:
                return 0, False
            if read[pos + _HEAD : pos + _LOOK] != _DECLARE:
                return stop, False
        elif kind != FrameKind.HEADER:
            return stop, False
        if length > LARGEST_METHOD or (stop <= len(read) and read[stop - 1] != FRAME_END):
            return self._give_up()
        return (stop, True) if stop <= len(read) else (0, False)

    def _greeting(self, read: bytes, pos: int) -> tuple[int, bool]:
        first = read[pos : pos + len(GREETING)]
        if first in GREETINGS:
            self._greeted = True
            return pos + len(GREETING), False
        return (0, False) if any(one.startswith(first) for one in GREETINGS) else self._give_up()

    def _give_up(self) -> tuple[int, bool]:
        self._blind = True
        return 0, False

    def _scaled(self, frame: bytes) -> bytes | None:
        """Return a frame with its numbers scaled; None if it has none, or cannot be read."""
        try:
            return self._message(frame) if frame[0] == FrameKind.HEADER else self._declaration(frame)
        except MALFORMED:
            return None  # the broker judges

    # --- queue.declare ---

    def _declaration(self, frame: bytes) -> bytes | None:
        name_at = _LOOK + 2
        table_at = name_at + 1 + frame[name_at] + 1
        start = table_at + 4
        stop = start + int(_LONG.unpack_from(frame, table_at)[0])
        if stop != len(frame) - 1:
            raise MalformedError("the arguments of a declaration do not end with it")
        queue = text(frame[name_at + 1 : table_at - 1])
        found = [self._number(frame, queue, name, start, stop) for name in LIVES]
        parts, done = [], start
        for begin, end, value in sorted(one for one in found if one is not None):
            parts += [frame[done:begin], value]
            done = end
        if not parts:
            return None
        table = b"".join([*parts, frame[done:stop]])
        return _framed(frame, frame[_HEAD:table_at] + _LONG.pack(len(table)) + table)

    def _number(
        self, frame: bytes, queue: str, name: str, start: int, stop: int
    ) -> tuple[int, int, bytes] | None:
        """Where an argument stands, and how it is written when it is scaled; None if it is none to be scaled."""
        place = find_field(frame, start, stop, name.encode())
        if place is None or (known := _NUMBERS.get(kind := frame[place[0]])) is None:
            return None
        form, bound = known
        value = int(form.unpack_from(frame, place[0] + 1)[0])
        new = scaled(value, self._scale)
        if new == value:
            return None
        self._told(queue, name, value, new)
        if new >= bound:
            kind, form = _LARGE, _NUMBERS[_LARGE][0]
        return *place, bytes([kind]) + form.pack(min(new, (1 << 63) - 1))

    # --- expiration ---

    def _message(self, frame: bytes) -> bytes | None:
        at = _expiration_at(frame)
        if at is None:
            return None
        end = at + 1 + frame[at]
        digits = frame[at + 1 : end]
        if end >= len(frame) or not digits.isdigit() or len(digits) > _DIGITS:
            return None
        value = int(digits)
        new = scaled(value, self._scale)
        if new == value:
            return None
        self._told("", "expiration", value, new)
        written = str(new).encode("ascii")
        return _framed(frame, frame[_HEAD:at] + bytes([len(written)]) + written + frame[end:-1])


def _expiration_at(frame: bytes) -> int | None:
    """Where `expiration` stands in the header frame of a publication; None if it does not."""
    flags = more = int(_SHORT.unpack_from(frame, _PROPERTIES)[0])
    pos = _PROPERTIES + 2
    if not flags & _EXPIRATION:
        return None
    while more & 1:  # a last bit that is set announces another word of flags
        more = int(_SHORT.unpack_from(frame, pos)[0])
        pos += 2
    for flag, kind in _BEFORE:
        if flags & flag:
            if kind == "octet":
                pos += 1
            elif kind == "text":
                pos += 1 + frame[pos]
            else:
                pos += 4 + int(_LONG.unpack_from(frame, pos)[0])
    return pos


def _framed(old: bytes, payload: bytes) -> bytes:
    """Return a frame as the old one, with another payload."""
    kind, channel, _ = _FRAME.unpack_from(old)
    return _FRAME.pack(kind, channel, len(payload)) + payload + bytes([FRAME_END])
