"""The properties of a content, decoded only as far as somebody asks.

A scanner passes thousands of messages per second and most readers want one id. So `Properties` keeps the
bytes as they stood on the wire, reads the fixed properties when the first is asked for, and looks for a
single header by its bytes before it walks the table. MalformedError or hostile bytes never raise: what
cannot be read is None.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from hashlib import blake2b
from struct import Struct
from typing import Final

from pytest_mqchaos.wire.amqp.tables import (
    MALFORMED,
    MalformedError,
    decode_table,
    decode_value,
    find_field,
    text,
)

__all__ = ["Properties", "digest"]

_FLAGS: Final = Struct(">H")
_LENGTH: Final = Struct(">I")
_LAYOUT: Final = (
    ("content_type", "text"),
    ("content_encoding", "text"),
    ("headers", "table"),
    ("delivery_mode", "octet"),
    ("priority", "octet"),
    ("correlation_id", "text"),
    ("reply_to", "text"),
    ("expiration", "text"),
    ("message_id", "text"),
    ("timestamp", "moment"),
    ("type", "text"),
    ("user_id", "text"),
    ("app_id", "text"),
    ("cluster_id", "text"),
)
"""The properties in the order of their flags, highest bit first (AMQP 0-9-1, class basic)."""


_EXPIRATION: Final = 0x01
"""The flag of `expiration` in the first octet."""
_BROKERS_HEADERS: Final = (
    "CC", "BCC", "x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count", "x-opt-",
    "x-stream-",
)  # fmt: skip
"""How headers begin that a broker writes, or takes away; whatever else it adds nobody asks for."""


def digest(body: bytes) -> str:
    """Return the short digest by which bodies are compared: 16 hexadecimal digits of BLAKE2b."""
    return blake2b(body, digest_size=8).hexdigest()


@lru_cache(maxsize=512)
def _present(flags: int) -> tuple[tuple[str, str], ...]:
    return tuple(field for bit, field in enumerate(_LAYOUT) if flags & 0x8000 >> bit)


class Properties:
    """The properties of one message; `raw` are their bytes, from the flags to the end of the header frame."""

    __slots__ = ("_known", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._known: dict[str, object] | None = None

    def __eq__(self, other: object) -> bool:
        return self.raw == other.raw if isinstance(other, Properties) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        return f"Properties({self.raw!r})"

    @property
    def message_id(self) -> str | None:
        """The publisher's id of the message."""
        return self._text("message_id")

    @property
    def correlation_id(self) -> str | None:
        """The id of the request that this message answers."""
        return self._text("correlation_id")

    @property
    def content_type(self) -> str | None:
        """The media type of the body."""
        return self._text("content_type")

    @property
    def expiration(self) -> str | None:
        """The message's own time to live: milliseconds, as text. Hardly any has one, and the flags say so."""
        return self._text("expiration") if self.raw[:1] and self.raw[0] & _EXPIRATION else None

    @property
    def delivery_mode(self) -> int | None:
        """How durable the message is: 2 is persistent, 1 transient."""
        mode = self._fixed().get("delivery_mode")
        return mode if isinstance(mode, int) else None

    @property
    def mqchaos_id(self) -> str | None:
        """The plugin's id of the message: the header `x-mqchaos-id`."""
        return self._header_text(b"x-mqchaos-id")

    @property
    def deaths(self) -> str | None:
        """A digest of the header `x-death`: equal for equal histories of dead-lettering, however they are encoded.

        A client that hands headers on encodes them anew, perhaps with other widths of numbers.
        """
        place = self._find(b"x-death")
        if place is None:
            return None
        told = self._header(b"x-death")
        return digest(self.raw[place[0] : place[1]] if told is None else repr(_sorted(told)).encode())

    @property
    def death_count(self) -> int | None:
        """How often the message was dead-lettered: the sum of the counts in `x-death`."""
        entries = self._header(b"x-death")
        if not isinstance(entries, list):
            return None
        counts = [entry.get("count") for entry in entries if isinstance(entry, dict)]
        return sum(count for count in counts if isinstance(count, int))

    @property
    def first_death_reason(self) -> str | None:
        """Why the message was dead-lettered first."""
        return self._header_text(b"x-first-death-reason")

    @property
    def last_death_reason(self) -> str | None:
        """Why the message was dead-lettered last (RabbitMQ 3.13 and later)."""
        return self._header_text(b"x-last-death-reason")

    @property
    def first_death_queue(self) -> str | None:
        """The queue from which the message was dead-lettered first."""
        return self._header_text(b"x-first-death-queue")

    @property
    def delivery_count(self) -> int | None:
        """The broker's count of failed deliveries: the header `x-delivery-count`."""
        return self._header_number(b"x-delivery-count")

    @property
    def acquired_count(self) -> int | None:
        """The broker's count of consumers that held the message: the header `x-acquired-count`."""
        return self._header_number(b"x-acquired-count")

    def headers(self) -> dict[str, object]:
        """Return all headers, decoded anew at each call; none if the table is malformed."""
        try:
            return decode_table(self.raw, *_table_of(self.raw))
        except MALFORMED:
            return {}

    def contract(self) -> dict[str, object]:
        """Return what the publisher said of the message and the broker has to keep, by name.

        Properties by their own names, headers as `header tenant`. Not `expiration` (dead-lettering takes it away)
        and not what brokers write themselves.
        """
        kept: dict[str, object] = {
            name: value for name, value in self._fixed().items() if name not in ("headers", "expiration")
        }
        if str(kept.get("reply_to", "")).startswith("amq.rabbitmq.reply-to"):
            del kept["reply_to"]  # a name that the broker fills in
        headers = self.headers()
        kept |= {f"header {name}": headers[name] for name in headers if not name.startswith(_BROKERS_HEADERS)}
        return kept

    def _fixed(self) -> dict[str, object]:
        """Return the fixed properties up to the first that is malformed."""
        known = self._known
        if known is None:
            known = self._known = {}
            with suppress(*MALFORMED):
                _read(self.raw, known)
        return known

    def _find(self, name: bytes) -> tuple[int, int] | None:
        """Find the value of a header in `raw`; the table is not walked if the name is nowhere."""
        raw = self.raw
        if name not in raw:
            return None
        try:
            return find_field(raw, *_table_of(raw), name)
        except MALFORMED:
            return None

    def _header(self, name: bytes) -> object:
        place = self._find(name)
        if place is None:
            return None
        try:
            return decode_value(self.raw, place[0])[0]
        except MALFORMED:
            return None

    def _text(self, name: str) -> str | None:
        value = self._fixed().get(name)
        return value if isinstance(value, str) else None

    def _header_text(self, name: bytes) -> str | None:
        place = self._find(name)
        if place is None or self.raw[place[0]] not in b"Sx":  # long string, byte array
            return None
        return text(self.raw[place[0] + 5 : place[1]])

    def _header_number(self, name: bytes) -> int | None:
        value = self._header(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None


def _start(raw: bytes) -> tuple[int, int]:
    """Return the flags and the offset of the first property."""
    flags = more = int(_FLAGS.unpack_from(raw)[0])
    pos = 2
    while more & 1:  # a last bit that is set announces another word of flags
        more = _FLAGS.unpack_from(raw, pos)[0]
        pos += 2
    return flags, pos


def _table_of(raw: bytes) -> tuple[int, int]:
    """Return where the header table begins and ends; only two short strings can stand before it."""
    flags, pos = _start(raw)
    if not flags & 0x2000:
        return 0, 0
    if flags & 0x8000:
        pos += 1 + raw[pos]
    if flags & 0x4000:
        pos += 1 + raw[pos]
    end = pos + 4 + int(_LENGTH.unpack_from(raw, pos)[0])
    if end > len(raw):
        raise MalformedError("the headers end behind their frame")
    return pos + 4, end


def _read(raw: bytes, known: dict[str, object]) -> None:
    flags, pos = _start(raw)
    for name, kind in _present(flags):
        value: object = None
        if kind == "text":
            end = pos + 1 + raw[pos]
            value = text(raw[pos + 1 : end])
        elif kind == "octet":
            end, value = pos + 1, raw[pos]
        elif kind == "moment":
            end = pos + 8
            value = raw[pos:end]
        else:
            end = pos + 4 + int(_LENGTH.unpack_from(raw, pos)[0])
        if end > len(raw):
            raise MalformedError("a property ends behind its frame")
        known[name] = value
        pos = end


def _sorted(value: object) -> object:
    """Return a decoded value with the entries of its tables in the order of their names."""
    if isinstance(value, dict):
        return [(name, _sorted(value[name])) for name in sorted(value)]
    return [_sorted(each) for each in value] if isinstance(value, list) else value
