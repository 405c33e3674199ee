"""Debatable payloads: what a consumer may refuse and may rightly process, made from a sound message.

Each kind changes one thing. The kinds of `_BODIES` change the body, those of `_PROPERTIES` a property that tells how
to read it. None makes a key out of another: nothing is put in, taken out or flipped within a number, and the field
that is named as the key is left alone where there is any other. Whether the outcome has another message's key all the
same (a key that only the test's own function finds), its maker looks up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from types import MappingProxyType
from typing import Any

from pytest_mqchaos.payloads.documents import Document, Place
from pytest_mqchaos.payloads.drafts import Draft

__all__ = ["DEBATABLE", "HEAVY", "LARGE", "NEEDS", "debatable"]

LARGE = 1024 * 1024
"""Bytes that make a body oversize: more than SQS, NATS or Kafka take by default, and far below RabbitMQ's 16 MiB."""

HEAVY = ("deep_nesting", "oversize")
"""Kinds whose bodies are large; a few of them say all that many would."""

_DEEP = 50_000
"""Levels: beyond the limit of every reader that has one (Go's of 10,000 is the highest known)."""

_DIGITS = b"0123456789"

BodyKind = Callable[[bytes, Random, str | None], bytes | None]
"""A kind: of sound body, generator, and name of the field to spare; None if it cannot be made of this body."""


def debatable(
    draft: Draft, kind: str, rng: Random, *, spare: str | None = None, large: int = LARGE
) -> Draft | None:
    """Return a sound message made debatable, None where the kind cannot be made of it (`NEEDS` says of what).

    The same draft, kind and state of `rng` give the same result.

    Args:
        draft: the sound message.
        kind: one of `DEBATABLE`.
        rng: makes the choices.
        spare: a field of a JSON object that is left as it is where there is any other.
        large: bytes that `oversize` adds.
    """
    if kind in _PROPERTIES:
        return _property(draft, kind, rng)
    if kind == "oversize":
        return replace(draft, body=_oversize(draft.body, large))
    body = _BODIES[kind](draft.body, rng, spare)
    return None if body is None or body == draft.body else replace(draft, body=body)


# --- JSON that says something else ---------------------------------------------------------------------------


def _wrong_type(body: bytes, rng: Random, spare: str | None) -> bytes | None:
    """An array where there was an object, a text of JSON within JSON, nothing at all."""
    document = Document.of(body)
    if document is None:
        return None
    content = document.content
    choices: list[Any] = [json.dumps(content)] if not isinstance(content, str) else []
    choices += [[content]] if not isinstance(content, list) else [{"items": content}]
    choices += [None] if content is not None else []
    return json.dumps(rng.choice(choices)).encode()


def _missing_field(body: bytes, rng: Random, spare: str | None) -> bytes | None:
    """A field is not there."""
    document = Document.of(body, spare)
    fields = [] if document is None else document.fields()
    return document.without(rng.choice(fields)) if document and fields else None


def _wrong_field_type(body: bytes, rng: Random, spare: str | None) -> bytes | None:
    """A field's value is of another type: a number is text, a text stands in an array."""
    document = Document.of(body, spare)
    fields = [] if document is None else document.fields()
    if document is None or not fields:
        return None
    place = rng.choice(fields)
    return document.put(place, _other_type(place.value))


def _other_type(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return str(value) if isinstance(value, int | float) else [value]


def _null_field(body: bytes, rng: Random, spare: str | None) -> bytes | None:
    """A field is null."""
    document = Document.of(body, spare)
    fields = [] if document is None else [one for one in document.fields() if one.value is not None]
    return document.put(rng.choice(fields), None) if document and fields else None


def _not_a_number(body: bytes, rng: Random, spare: str | None) -> bytes | None:
    """A number is `NaN` or infinite: no JSON by its specification, and read by many all the same."""
    return _number(body, rng, spare, rng.choice(("NaN", "Infinity", "-Infinity")))


def _huge_number(body: bytes, rng: Random, spare: str | None) -> bytes | None:
    """A number fits no machine's: a little over 64 bits, of 400 digits, or with an exponent beyond a float's."""
    digits = str(rng.randrange(10**18, 10**19))
    return _number(body, rng, spare, rng.choice((f"9{digits}", digits + "0" * 381, f"{digits}e{381}")))


def _number(body: bytes, rng: Random, spare: str | None, raw: str) -> bytes | None:
    document = Document.of(body, spare)
    numbers = [] if document is None else document.numbers()
    return document.put_raw(rng.choice(numbers), raw) if document and numbers else None


def _duplicate_keys(body: bytes, rng: Random, spare: str | None) -> bytes | None:
    """A field stands twice in its object, with another value: readers take the last, the first, or none."""
    document = Document.of(body, spare)
    fields = [] if document is None else document.fields()
    if document is None or not fields:
        return None
    place = rng.choice(fields)
    first, second = rng.sample([json.dumps(place.value), json.dumps(_other_value(place.value))], 2)
    return document.put_raw(place, f"{first}, {json.dumps(place.name)}: {second}")


def _other_value(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return f"{value} (again)" if isinstance(value, str) else None if value is not None else "again"


def _deep_nesting(body: bytes, rng: Random, spare: str | None) -> bytes | None:
    """One more field, or the whole document, nested too deep for a reader that calls itself."""
    document = Document.of(body)
    if document is None:
        return None
    opening, closing = rng.choice((("[", "]"), ('{"a":', "}")))
    content, name = document.content, "nested"
    if not isinstance(content, dict):
        return b"%b%b%b" % ((opening * _DEEP).encode(), document.written(), (closing * _DEEP).encode())
    while name in content:
        name += "_"
    content[name] = None
    return document.put_raw(Place(content, name), f"{opening * _DEEP}1{closing * _DEEP}")


# --- bytes that stumble --------------------------------------------------------------------------------------


def _nul_bytes(body: bytes, rng: Random, spare: str | None) -> bytes | None:
    r"""A text ends with `\u0000`, which databases refuse, or the body with NULs, as a buffer of C's would."""
    document = Document.of(body, spare)
    texts = [] if document is None else [one for one in document.fields() if isinstance(one.value, str)]
    if document is not None and texts and rng.random() < 0.5:
        place = rng.choice(texts)
        return document.put(place, f"{place.value}\0")
    return body + b"\0" * rng.randrange(1, 9) if _is_text(body) else None


def _byte_flip(body: bytes, rng: Random, spare: str | None) -> bytes | None:
    """One bit is flipped, of no digit and into none: 117 would be the key of another message than 17."""
    places = [place for place, byte in enumerate(body) if byte not in _DIGITS]
    if not places:
        return None
    place = rng.choice(places)
    flipped = [byte for bit in range(8) if (byte := body[place] ^ (1 << bit)) not in _DIGITS]
    return body[:place] + bytes((rng.choice(flipped),)) + body[place + 1 :]


def _byte_order_mark(body: bytes, rng: Random, spare: str | None) -> bytes | None:
    """The mark of UTF-8 stands before a text, as Windows writes it."""
    return b"\xef\xbb\xbf" + body if _is_text(body) and not body.startswith(b"\xef\xbb\xbf") else None


def _oversize(body: bytes, size: int) -> bytes:
    """Megabytes: a field of padding where there is an object, blanks behind any other text, NULs behind bytes."""
    document = Document.of(body)
    if document is not None and isinstance(document.content, dict) and "padding" not in document.content:
        document.content["padding"] = "x" * size
        return document.written()
    return body + (b" " if _is_text(body) else b"\0") * size


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


_BODIES: Mapping[str, BodyKind] = {
    "wrong_type": _wrong_type,
    "missing_field": _missing_field,
    "wrong_field_type": _wrong_field_type,
    "null_field": _null_field,
    "not_a_number": _not_a_number,
    "huge_number": _huge_number,
    "duplicate_keys": _duplicate_keys,
    "deep_nesting": _deep_nesting,
    "nul_bytes": _nul_bytes,
    "byte_flip": _byte_flip,
    "byte_order_mark": _byte_order_mark,
}

# --- properties that lie ---------------------------------------------------------------------------------------

_PROPERTIES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "wrong_content_type": (
        "content_type",
        ("application/json", "application/xml", "application/x-python-serialize", "text/html"),
    ),
    "wrong_content_encoding": ("content_encoding", ("gzip", "deflate", "br", "utf-16")),
}
"""The property of each kind, and what it may say."""


def _property(draft: Draft, kind: str, rng: Random) -> Draft:
    """The body is sound, and its property says that it is to be read otherwise."""
    name, values = _PROPERTIES[kind]
    right = {draft.properties.get(name)}
    if Document.of(draft.body) is not None:
        right.add("application/json")
    wrong = rng.choice([value for value in values if value not in right])
    return replace(draft, properties={**draft.properties, name: wrong})


_FIELD = "a JSON body with a field"
_TEXT = "a body of text"

NEEDS: Mapping[str, str] = MappingProxyType(
    {
        "wrong_type": "a JSON body",
        "missing_field": _FIELD,
        "wrong_field_type": _FIELD,
        "null_field": f"{_FIELD} that is not null",
        "not_a_number": f"{_FIELD} or a number",
        "huge_number": f"{_FIELD} or a number",
        "duplicate_keys": _FIELD,
        "deep_nesting": "a JSON body",
        "nul_bytes": _TEXT,
        "byte_flip": "a body of more than digits",
        "oversize": "",
        "byte_order_mark": f"{_TEXT} that has none",
        "wrong_content_type": "",
        "wrong_content_encoding": "",
    }
)
"""What each kind is made of; empty where any message does."""

DEBATABLE = tuple(NEEDS)
"""The kinds, in the order of the contract."""
