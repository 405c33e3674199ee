"""Headers and properties of a message, as AMQP 0-9-1 carries them (its specification, 1.8 and 4.2.5)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pytest_mqchaos.errors import UsageError

__all__ = ["ID_HEADER", "PROPERTIES", "checked_headers", "checked_properties", "told_headers"]

ID_HEADER = "x-mqchaos-id"
"""The header that carries a message's id."""

_SHORT = 255
_TOLD = 256
"""Characters of a header's value that are told."""
_TEXTS = (
    "content_type",
    "content_encoding",
    "correlation_id",
    "reply_to",
    "expiration",
    "message_id",
    "type",
    "user_id",
    "app_id",
    "cluster_id",
)

PROPERTIES = (*_TEXTS, "priority", "timestamp")
"""The properties that a test may set; headers, and whether it is persistent, have arguments of their own."""

_ELSEWHERE = {
    "headers": "headers have an argument of their own, headers=",
    "delivery_mode": "that is said by persistent=",
}


def checked_headers(value: object, where: str) -> dict[str, object]:
    """Return a copy of the headers.

    Args:
        value: what the test gave; None is none.
        where: what it is, for the error: `headers=` or `headers(17, rng) returned`.

    Raises:
        UsageError: if a name or value cannot be sent, or the header with our id is among them.
    """
    __tracebackhide__ = True
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise UsageError(f"publish(): {where}{value!r}: a dict of names to values")
    for name, held in value.items():
        if name == ID_HEADER:
            raise UsageError(f"publish(): {where}{{{name!r}: ...}}: that header carries the plugin's own id")
        wrong = _wrong_name(name) or _wrong_value(held)
        if wrong:
            raise UsageError(f"publish(): {where}{{{name!r}: {_brief(held)}}}: {wrong}")
    return {str(name): held for name, held in value.items()}


def told_headers(headers: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Return headers as a report may tell them: names and values as text, without the one that carries our id."""
    return tuple((name, str(held)[:_TOLD]) for name, held in headers.items() if name != ID_HEADER)


def checked_properties(value: object, where: str) -> dict[str, object]:
    """Return a copy of the properties; an `expiration` in milliseconds becomes text, as AMQP has it.

    Arguments as of `checked_headers`.

    Raises:
        UsageError: if there is no such property, or its value is not one.
    """
    __tracebackhide__ = True
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise UsageError(f"publish(): {where}{value!r}: a dict of names to values")
    properties: dict[str, object] = {}
    for name, held in value.items():
        if name not in PROPERTIES:
            why = _ELSEWHERE.get(name) if isinstance(name, str) else None
            raise UsageError(
                f"publish(): {where}{{{name!r}: ...}}: {why or 'one of ' + ', '.join(PROPERTIES)}"
            )
        if held is None:
            continue
        as_text = name == "expiration" and isinstance(held, int) and not isinstance(held, bool)
        properties[name] = str(held) if as_text else held
        wrong = _wrong_property(name, properties[name])
        if wrong:
            raise UsageError(f"publish(): {where}{{{name!r}: {_brief(held)}}}: {wrong}")
    return properties


def _wrong_property(name: str, value: object) -> str:
    if name == "priority":
        return "" if _whole(value, 0, 255) else "a whole number from 0 to 255"
    if name == "timestamp":
        return "" if _whole(value, 0, 2**63 - 1) else "whole seconds since 1970"
    if not isinstance(value, str):
        return "text"
    if name == "expiration" and not (value.isascii() and value.isdigit()):
        return "milliseconds, a whole number"
    return _wrong_name(value)


def _wrong_name(name: object) -> str:
    """Say what keeps `name` from being an AMQP short string, or nothing."""
    if not isinstance(name, str):
        return f"the name {name!r} is not text"
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "text that UTF-8 can write"
    return "" if size <= _SHORT else f"at most {_SHORT} bytes, this has {size}"


def _wrong_value(value: object) -> str:
    """Say what keeps `value` out of an AMQP field table, or nothing."""
    if isinstance(value, bool | None | bytes):
        return ""
    if isinstance(value, datetime):
        return "" if value.year >= 1970 else "a time since 1970"
    if isinstance(value, str):
        return _wrong_text(value)
    if isinstance(value, int):
        return "" if -(2**63) <= value < 2**63 else "64 bits hold no such number"
    if isinstance(value, float):
        return "the client library sends no fractions: write it as text"
    if isinstance(value, list):
        return next(filter(None, map(_wrong_value, value)), "")
    if isinstance(value, dict):
        return next(filter(None, (_wrong_name(n) or _wrong_value(v) for n, v in value.items())), "")
    return f"a header cannot hold a value of type {type(value).__name__}"


def _wrong_text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        return "text that UTF-8 can write"
    return ""


def _whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
