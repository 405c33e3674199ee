"""How the arguments of a fault are written in ids and texts."""

from __future__ import annotations

__all__ = ["NAME_CHARACTERS", "short", "slug"]

NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-")


def short(body: object) -> str:
    """Return a value as its `repr`, the middle of a long one left out."""
    text = repr(body)
    return text if len(text) <= 40 else f"{text[:36]}...{text[-1]}"


def slug(value: object) -> str:
    """Return a value as it may stand in a test's id."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return "+".join(slug(each) for each in value)
    return "".join(c if c in NAME_CHARACTERS else "_" for c in str(value))
