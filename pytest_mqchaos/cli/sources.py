"""Python source, written as a person would: values, calls, long ones an argument a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["call", "literal"]

_WIDTH = 100


def literal(value: object, indent: int = 0) -> str:
    """Return a plain value as Python writes it, texts between double quotes, long dicts and lists over lines.

    Args:
        value: what JSON can say, bytes and tuples.
        indent: blanks before the line that it begins in.
    """
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, Mapping):
        parts = [f"{literal(key)}: {literal(one, indent + 4)}" for key, one in value.items()]
        return _between("{", parts, "}", indent)
    if isinstance(value, list):
        return _between("[", [literal(one, indent + 4) for one in value], "]", indent)
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' * (len(value) == 1)})"
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return f'float("{value}")'
    written = repr(value)
    if isinstance(value, bytes) and b'"' not in value and b"'" not in value:
        written = f'b"{written[2:-1]}"'
    return written


def call(name: str, arguments: Sequence[str], indent: int = 0) -> str:
    """Return a call of `name`; arguments that do not fit into a line have one each."""
    return _between(f"{name}(", arguments, ")", indent)


def _between(begin: str, parts: Sequence[str], end: str, indent: int) -> str:
    line = f"{begin}{', '.join(parts)}{end}"
    if not parts or (indent + len(line) <= _WIDTH and "\n" not in line):
        return line
    inner = "".join(f"{' ' * (indent + 4)}{part},\n" for part in parts)
    return f"{begin}\n{inner}{' ' * indent}{end}"


def _quoted(text: str) -> str:
    written = repr(text)
    return written if '"' in text or "'" in text else f'"{written[1:-1]}"'
