"""Unreadable payloads: bodies that no reader can take for sound, made from a sound one.

Each kind is one function of the sound body and a seeded generator. What they share:

- the result is never readable as JSON, whatever the sound body was;
- it holds no key but that of the body it was made from: nothing is cut within a number, word or string, since
  `"order": 11` would be what is left of 117 and the key of another message.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType

from pytest_mqchaos.errors import UsageError

__all__ = ["KINDS", "empty", "invalid_utf8", "malformed", "not_json", "readable_as_json", "truncated"]

_SPLIT_CHARACTER = b"\xe2\x82"
"""The first two of the three bytes of a euro sign."""

_NEVER_UTF8 = (b"\xc0", b"\xc1", b"\xf5", b"\xff")
"""Bytes that UTF-8 has nowhere, also for readers that let surrogates pass."""

_NOT_JSON = (
    "<html><head><title>502 Bad Gateway</title></head><body>request {token}</body></html>",
    '<?xml version="1.0" encoding="UTF-8"?><message><token>{token}</token></message>',
    "upstream connect error or disconnect before headers, request {token}",
    "token={token}&state=new&encoding=form",
)


def readable_as_json(body: bytes) -> bool:
    """Whether `json.loads` takes these bytes, in any of the encodings that it guesses."""
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def malformed(body: bytes, kind: str, rng: Random) -> bytes:
    """Return a malformed body of the kind, made from the sound `body`.

    It keeps the key of `body` at most, so make it from a body built for a message of its own: one that is the
    same for all messages carries all their keys. The same body, kind and state of `rng` give the same result.

    Raises:
        UsageError: if there is no such kind.
    """
    __tracebackhide__ = True
    if kind not in KINDS:
        raise UsageError(f"malformed payload kind={kind!r}: one of {', '.join(KINDS)}")
    return KINDS[kind](body, rng)


def truncated(body: bytes, rng: Random) -> bytes:
    """Return JSON that ends behind one of its brackets, commas or colons; text that ends within a character.

    Bytes that are neither lose a part of their end.
    """
    if not readable_as_json(body):
        return _truncated_other(body, rng)
    marks = _structure(body)
    if marks:
        return _unreadable(body[: rng.choice(marks[:-1] or [0]) + 1], or_else=_SPLIT_CHARACTER)
    scalar = body.strip()
    cut = b"[" + scalar if _is_number(scalar) else scalar[:-1]
    return _unreadable(cut, or_else=_SPLIT_CHARACTER)


def _truncated_other(body: bytes, rng: Random) -> bytes:
    try:
        body.decode()
    except UnicodeDecodeError:
        cut = body[: rng.randrange(1, len(body))] if len(body) > 1 else b""
        return _unreadable(cut, or_else=body + _SPLIT_CHARACTER)
    return body + _SPLIT_CHARACTER


def empty(body: bytes, rng: Random) -> bytes:
    """Return no bytes at all."""
    del body, rng
    return b""


def not_json(body: bytes, rng: Random) -> bytes:
    """Return text of another format, as a proxy or a form would send it; no two of them are alike."""
    del body
    token = "".join(rng.choice("bcdfghjkmnpqrstvwxz") for _ in range(12))
    return rng.choice(_NOT_JSON).format(token=token).encode()


def invalid_utf8(body: bytes, rng: Random) -> bytes:
    """Return the body with a byte that UTF-8 never has, in the place of what ends a JSON document.

    So a reader that replaces or ignores such bytes gets no JSON either.
    """
    wrong = rng.choice(_NEVER_UTF8)
    if not readable_as_json(body):
        return body + wrong
    marks = _structure(body)
    if marks:
        broken = body[: marks[-1]] + wrong + body[marks[-1] + 1 :]
    else:
        scalar = body.strip()
        broken = (b"[" + scalar if _is_number(scalar) else scalar[:-1]) + wrong
    return _unreadable(broken, or_else=_NEVER_UTF8[0] + wrong)


KINDS: Mapping[str, Callable[[bytes, Random], bytes]] = MappingProxyType(
    {kind.__name__: kind for kind in (truncated, empty, not_json, invalid_utf8)}
)
"""How each kind of malformed payload is made, by its name."""


def _structure(body: bytes) -> list[int]:
    """Return where a JSON text has brackets, commas and colons outside of its strings."""
    marks: list[int] = []
    in_string = escaped = False
    for place, byte in enumerate(body):
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:  # backslash
                escaped = True
            elif byte == 0x22:  # quotation mark
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"{}[],:":
            marks.append(place)
    return marks


def _is_number(scalar: bytes) -> bool:
    return scalar[-1:].isdigit()


def _unreadable(body: bytes, *, or_else: bytes) -> bytes:
    """Return `body`, or the other one where it is readable after all (encodings of two bytes a character)."""
    return or_else if readable_as_json(body) else body
