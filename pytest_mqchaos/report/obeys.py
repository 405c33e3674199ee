"""Whether a value obeys the document's schema: as much of JSON Schema as the packaged schemas use, and no more.

A validator is no dependency of ours, and a document from elsewhere must be refused in a line before a renderer
trips over it. The tests hold this against the library `jsonschema`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = ["ANNOTATIONS", "KEYWORDS", "trouble"]

ANNOTATIONS = frozenset({"$defs", "$id", "$schema", "description", "examples", "format", "title"})
"""Keywords that demand nothing."""

Schema = Mapping[str, Any]
_Checked = Iterator[str]


def trouble(value: object, schema: Schema) -> str:
    """Return the first place where a value does not obey a schema, and why; empty if it obeys."""
    return next(_troubles(value, schema, schema, ""), "")


def _troubles(value: object, schema: Schema, root: Schema, where: str) -> _Checked:
    for keyword, wanted in schema.items():
        if keyword in KEYWORDS:
            yield from KEYWORDS[keyword](value, wanted, root, where)


def _said(where: str, what: str) -> str:
    return f"{where.lstrip('.') or 'it'} {what}"


def _type(value: object, wanted: Any, root: Schema, where: str) -> _Checked:
    names = [wanted] if isinstance(wanted, str) else wanted
    if not any(_is(value, name) for name in names):
        yield _said(where, f"is not {' or '.join(names)}")


def _is(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if isinstance(value, float):
        return name == "number" or (name == "integer" and value.is_integer())
    return isinstance(value, _TYPES[name])


_TYPES: Mapping[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": int,
    "boolean": bool,
    "null": type(None),
}


def _required(value: object, wanted: Any, root: Schema, where: str) -> _Checked:
    if isinstance(value, dict):
        yield from (_said(where, f"has no {name}") for name in wanted if name not in value)


def _properties(value: object, wanted: Any, root: Schema, where: str) -> _Checked:
    if isinstance(value, dict):
        for name, schema in wanted.items():
            if name in value:
                yield from _troubles(value[name], schema, root, f"{where}.{name}")


def _additional(value: object, wanted: Any, root: Schema, where: str) -> _Checked:
    """Check every member: in these schemas the keyword never stands beside `properties`."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _troubles(each, wanted, root, f"{where}.{name}")


def _items(value: object, wanted: Any, root: Schema, where: str) -> _Checked:
    if isinstance(value, list):
        for number, each in enumerate(value):
            yield from _troubles(each, wanted, root, f"{where}[{number}]")


def _enum(value: object, wanted: Any, root: Schema, where: str) -> _Checked:
    if isinstance(value, bool) or value not in wanted:
        yield _said(where, f"is none of {', '.join(map(str, wanted))}")


def _minimum(value: object, wanted: Any, root: Schema, where: str) -> _Checked:
    if isinstance(value, int | float) and not isinstance(value, bool) and value < wanted:
        yield _said(where, f"is below {wanted}")


def _min_length(value: object, wanted: Any, root: Schema, where: str) -> _Checked:
    if isinstance(value, str) and len(value) < wanted:
        yield _said(where, "is too short")


def _pattern(value: object, wanted: Any, root: Schema, where: str) -> _Checked:
    if isinstance(value, str) and not re.search(wanted, value):
        yield _said(where, f"does not look like {wanted}")


def _one_of(value: object, wanted: Any, root: Schema, where: str) -> _Checked:
    found = [next(_troubles(value, each, root, where), "") for each in wanted]
    if found.count("") != 1:
        yield found[0] or _said(where, "is several things at once")


def _ref(value: object, wanted: Any, root: Schema, where: str) -> _Checked:
    yield from _troubles(value, root["$defs"][wanted.rpartition("/")[2]], root, where)


KEYWORDS: Mapping[str, Callable[[object, Any, Schema, str], _Checked]] = {
    "$ref": _ref,
    "type": _type,
    "required": _required,
    "properties": _properties,
    "additionalProperties": _additional,
    "items": _items,
    "enum": _enum,
    "minimum": _minimum,
    "minLength": _min_length,
    "pattern": _pattern,
    "oneOf": _one_of,
}
"""Keywords that demand something, with what checks them."""
