"""Field tables as RabbitMQ encodes them: decode one, or find one field of it without decoding the rest.

A table is a list of (short string name, type octet, value); the letters are RabbitMQ's, which differ from
the specification's (`s` is a 16-bit integer here, `l` and `L` are both signed 64-bit). Everything works by
offsets into the bytes in hand, so that nesting copies nothing. What is malformed raises `MalformedError`; a
caller that reads bytes of unknown origin catches `MALFORMED`.
"""

from __future__ import annotations

from struct import Struct, error
from typing import Final

__all__ = ["MALFORMED", "MalformedError", "decode_table", "decode_value", "find_field", "text"]

_DEEPEST: Final = 32
"""How deep tables and arrays may nest before they count as malformed."""


class MalformedError(ValueError):
    """Bytes that are no field table, or that end too early."""


MALFORMED: Final = (error, IndexError, ValueError)
"""What reading malformed bytes raises: a struct too short, an octet missing, a value that cannot be."""

_LENGTH: Final = Struct(">I")
_DECIMAL: Final = Struct(">Bi")
_FIXED: Final = {
    ord("t"): Struct(">?"),
    ord("b"): Struct(">b"),
    ord("B"): Struct(">B"),
    ord("s"): Struct(">h"),
    ord("u"): Struct(">H"),
    ord("I"): Struct(">i"),
    ord("i"): Struct(">I"),
    ord("l"): Struct(">q"),
    ord("L"): Struct(">q"),
    ord("T"): Struct(">Q"),
    ord("f"): Struct(">f"),
    ord("d"): Struct(">d"),
}
_STRING, _BYTES, _TABLE, _ARRAY, _DECIMALS, _VOID = b"SxFADV"


def text(data: bytes) -> str:
    r"""Return the bytes as text; what is not UTF-8 appears as `\xNN`, so this never fails."""
    return str(data, "utf-8", "backslashreplace")


def decode_table(data: bytes, start: int, stop: int, depth: int = 0) -> dict[str, object]:
    """Decode the fields between two offsets (the length in front of them already read).

    Timestamps are seconds since 1970 as integers, decimals are `decimal.Decimal`, byte arrays are bytes.

    Raises:
        MalformedError: (or another of `MALFORMED`) if the fields do not end exactly at `stop`.

    """
    fields: dict[str, object] = {}
    pos = start
    while pos < stop:
        after = pos + 1 + data[pos]
        fields[text(data[pos + 1 : after])], pos = decode_value(data, after, depth)
    if pos != stop:
        raise MalformedError(f"a field table ends at {pos} instead of {stop}")
    return fields


def decode_value(data: bytes, pos: int, depth: int = 0) -> tuple[object, int]:
    """Decode the value whose type octet stands at `pos`; return it and the offset behind it."""
    kind = data[pos]
    fixed = _FIXED.get(kind)
    if fixed is not None:
        return fixed.unpack_from(data, pos + 1)[0], pos + 1 + fixed.size
    if kind == _VOID:
        return None, pos + 1
    if kind == _DECIMALS:
        return _decimal(*_DECIMAL.unpack_from(data, pos + 1)), pos + 6
    stop = _value_end(data, pos)
    if kind == _STRING:
        return text(data[pos + 5 : stop]), stop
    if kind == _BYTES:
        return data[pos + 5 : stop], stop
    if depth >= _DEEPEST:
        raise MalformedError(f"tables nest deeper than {_DEEPEST}")
    if kind == _TABLE:
        return decode_table(data, pos + 5, stop, depth + 1), stop
    return _array(data, pos + 5, stop, depth + 1), stop


def find_field(data: bytes, start: int, stop: int, name: bytes) -> tuple[int, int] | None:
    """Find a field of the table between two offsets without decoding the others; nested tables do not count.

    Returns the offsets of its type octet and of the byte behind its value, or None.
    """
    pos = start
    while pos < stop:
        after = pos + 1 + data[pos]
        if data[after] == _STRING:  # nearly all are
            end = after + 5 + int(_LENGTH.unpack_from(data, after + 1)[0])
        else:
            end = _value_end(data, after)
        if end > stop:
            raise MalformedError("a field ends behind its table")
        if data[pos + 1 : after] == name:
            return after, end
        pos = end
    return None


def _value_end(data: bytes, pos: int) -> int:
    """Return the offset behind the value whose type octet stands at `pos`."""
    kind = data[pos]
    fixed = _FIXED.get(kind)
    if fixed is not None:
        end = pos + 1 + fixed.size
    elif kind == _VOID:
        end = pos + 1
    elif kind == _DECIMALS:
        end = pos + 6
    elif kind in (_STRING, _BYTES, _TABLE, _ARRAY):
        end = pos + 5 + int(_LENGTH.unpack_from(data, pos + 1)[0])
    else:
        raise MalformedError(f"no field has the type octet {kind}")
    if end > len(data):
        raise MalformedError("a field ends behind its frame")
    return end


def _array(data: bytes, start: int, stop: int, depth: int) -> list[object]:
    values: list[object] = []
    pos = start
    while pos < stop:
        value, pos = decode_value(data, pos, depth)
        values.append(value)
    if pos != stop:
        raise MalformedError(f"a field array ends at {pos} instead of {stop}")
    return values


def _decimal(scale: int, unscaled: int) -> object:
    from decimal import Decimal  # costs 2 ms at import, and nobody sends one

    return Decimal(f"{unscaled}E-{scale}")  # exact, whatever the context
