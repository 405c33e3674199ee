"""The example of a message that `try` is given, and the field by which the application knows it.

Fifty copies of one order are one order to a consumer that looks at its number: so each message gets a number of its
own in the field that names it. Which one that is the user says, or its name does.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pytest_mqchaos.errors import UsageError

__all__ = ["Example", "read"]

_COMMON = ("id", "_id", "uuid", "key", "number")


@dataclass(frozen=True, slots=True)
class Example:
    """A body, the field that names a message of its kind, and how that is made a message's own."""

    body: Any
    """A dict, where the file held a JSON object; else its text, or bytes that are none."""
    source: str = ""
    key: str | None = None
    sort: Literal["text", "number", "digits", "uuid"] = "text"
    guessed: bool = False


def read(path: Path, *, key: str | None, queue: str) -> Example:
    """Read an example.

    Args:
        path: a file, JSON or not.
        key: the field that names a message, where the user said which.
        queue: by whose name the field is guessed otherwise.

    Raises:
        UsageError: if it cannot be read, or has no such field, or that cannot name a message.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"--body {path}: {error.strerror}") from None
    body = _content(raw, path)
    if not isinstance(body, dict):
        if key is not None:
            raise UsageError(f"--key {key}: {path} is no JSON object: without a field there is no key")
        return Example(body, str(path))
    name = _named(body, path, key) if key is not None else _guess(body, queue)
    if name is None:
        return Example(body, str(path))
    sort = _sort(body[name])
    if sort is None:
        raise UsageError(f"--key {name}: {body[name]!r} in {path}: a key is text or a whole number")
    return Example(body, str(path), name, sort, guessed=key is None)


def _content(raw: bytes, path: Path) -> Any:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return raw
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        if path.suffix == ".json":
            raise UsageError(f"--body {path}: not JSON: {error}") from None
        return text
    return body if isinstance(body, dict) else text


def _named(body: dict[str, Any], path: Path, key: str) -> str:
    if key not in body:
        raise UsageError(f"--key {key}: no such field in {path}: it has {', '.join(map(str, body))}")
    return key


def _guess(body: dict[str, Any], queue: str) -> str | None:
    """Return the field that names a message by what it is called: `order`, `orderId`, `order_id`, `id`."""
    fields = {_plain(name): name for name, value in reversed(body.items()) if _sort(value) is not None}
    stems = [stem for part in re.split(r"[^A-Za-z0-9]+", queue) if part for stem in _singular(part)]
    wanted = [f"{stem}{end}" for stem in stems for end in ("", "id", "uuid", "number", "no", "key")]
    for name in (*wanted, *map(_plain, _COMMON)):
        if name in fields:
            return fields[name]
    ids = [name for plain, name in fields.items() if re.search(r"(_id|Id|ID|uuid)$", name) and plain]
    return ids[0] if len(ids) == 1 else None


def _singular(word: str) -> tuple[str, ...]:
    plain = word.lower()
    if plain.endswith("ies"):
        return plain[:-3] + "y", plain
    return (plain[:-1], plain) if plain.endswith("s") else (plain,)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _sort(value: object) -> Literal["text", "number", "digits", "uuid"] | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return "number"
    if not isinstance(value, str) or not value.strip():
        return None
    if value.isascii() and value.isdigit():
        return "digits"
    try:
        uuid.UUID(value)
    except ValueError:
        return "text"
    return "uuid"
