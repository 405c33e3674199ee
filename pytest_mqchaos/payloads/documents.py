"""JSON documents that are changed in one place and written again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Document", "Place"]

_HOLE = "<hole kept for what JSON writers do not write>"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: in an object under a name, or in an array."""

    holder: Any
    at: Any

    @property
    def value(self) -> Any:
        """What stands there."""
        return self.holder[self.at]

    @property
    def name(self) -> str | None:
        """The field's name, None in an array."""
        return self.at if isinstance(self.holder, dict) else None


class Document:
    """A JSON text, read; `content` may be changed. Only one place of it can be written `raw`.

    Args:
        body: the text.
        spare: the name of a field that is not to be changed where there is any other: the message's key.
    """

    def __init__(self, body: bytes, spare: str | None = None) -> None:
        self.content = json.loads(body)
        self._spare = spare

    @classmethod
    def of(cls, body: bytes, spare: str | None = None) -> Document | None:
        """Return the document in a body, None if there is none, or one too deep to be written again."""
        try:
            document = cls(body, spare)
            json.dumps(document.content)
        except (ValueError, RecursionError):
            return None
        return document

    def fields(self) -> list[Place]:
        """Return the fields of all objects in it, at any depth."""
        found = [place for place in _places(self.content) if place.name is not None]
        return [place for place in found if place.name != self._spare] or found

    def numbers(self) -> list[Place]:
        """Return where a number stands, or could: any field if there is none, nothing in a text without either."""
        found = [place for place in _places(self.content) if _is_number(place.value)]
        return [place for place in found if place.name != self._spare] or self.fields() or found

    def put(self, place: Place, value: object) -> bytes:
        """Return the text with another value in a place."""
        place.holder[place.at] = value
        return self.written()

    def put_raw(self, place: Place, raw: str) -> bytes:
        """Return the text with `raw` in a place, which need not be one value, nor any that a writer would write."""
        place.holder[place.at] = _HOLE
        text = json.dumps(self.content)
        return text.replace(json.dumps(_HOLE), raw, 1).encode()

    def without(self, place: Place) -> bytes:
        """Return the text without a field."""
        del place.holder[place.at]
        return self.written()

    def written(self) -> bytes:
        """Return the content as text."""
        return json.dumps(self.content).encode()


def _places(content: Any) -> Iterator[Place]:
    waiting = [content]
    while waiting:
        holder = waiting.pop()
        if isinstance(holder, dict):
            entries = [Place(holder, name) for name in holder]
        elif isinstance(holder, list):
            entries = [Place(holder, index) for index in range(len(holder))]
        else:
            continue
        yield from entries
        waiting.extend(place.value for place in entries)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
