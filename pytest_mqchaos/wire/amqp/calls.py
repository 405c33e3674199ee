"""A `Call`: the arguments of one method frame, read in order."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Final, TypeAlias

from pytest_mqchaos.wire.amqp.events import WireEvent
from pytest_mqchaos.wire.amqp.tables import MalformedError, decode_table, text

__all__ = ["Call", "MethodHandler", "reading"]

MethodHandler: TypeAlias = Callable[[bytes, int, int, int, int], WireEvent | None]
"""Says what a method means: bytes, start and stop of its arguments in them, channel, where its frame ends in
the stream. Raises one of `tables.MALFORMED` if the arguments are malformed."""

_SHORT: Final = Struct(">H")
_LONG: Final = Struct(">I")
_LONG_LONG: Final = Struct(">Q")


class Call:
    """The arguments of one method frame with the channel it came on and where in its direction it ended.

    Reading beyond the end raises one of `tables.MALFORMED`.
    """

    __slots__ = ("_data", "_pos", "at", "channel")

    def __init__(self, data: bytes, channel: int, at: int) -> None:
        self._data = data
        self._pos = 0
        self.channel = channel
        self.at = at

    def rewind(self) -> None:
        """Go back to the first argument."""
        self._pos = 0

    def octet(self) -> int:
        """Read one octet; bits that follow each other share one."""
        value = self._data[self._pos]
        self._pos += 1
        return value

    def short(self) -> int:
        """Read 16 bits."""
        value: int = _SHORT.unpack_from(self._data, self._pos)[0]
        self._pos += 2
        return value

    def long(self) -> int:
        """Read 32 bits."""
        value: int = _LONG.unpack_from(self._data, self._pos)[0]
        self._pos += 4
        return value

    def long_long(self) -> int:
        """Read 64 bits."""
        value: int = _LONG_LONG.unpack_from(self._data, self._pos)[0]
        self._pos += 8
        return value

    def short_bytes(self) -> bytes:
        """Read a short string as it stands."""
        return self._take(self.octet())

    def short_text(self) -> str:
        """Read a short string as text."""
        return text(self.short_bytes())

    def long_bytes(self) -> bytes:
        """Read a long string."""
        return self._take(self.long())

    def table(self) -> dict[str, object]:
        """Read a field table."""
        data = self._take(self.long())
        return decode_table(data, 0, len(data))

    def _take(self, length: int) -> bytes:
        start, self._pos = self._pos, self._pos + length
        if self._pos > len(self._data):
            raise MalformedError("an argument ends behind its frame")
        return self._data[start : self._pos]


def reading(handler: Callable[[Call], WireEvent | None]) -> MethodHandler:
    """Turn a handler of calls into one of bytes; the few methods that come by the thousand do without."""

    def read(data: bytes, start: int, stop: int, channel: int, at: int) -> WireEvent | None:
        return handler(Call(data[start:stop], channel, at))

    return read
