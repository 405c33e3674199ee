"""What a failed comparison with messages says: which are too many, with their lives, and which are missing."""

from __future__ import annotations

from collections.abc import Collection

from pytest_mqchaos.model.lives import Life
from pytest_mqchaos.model.printable import cut, printable
from pytest_mqchaos.model.sequences import SHOWN, Messages

__all__ = ["comparison"]


def comparison(operator: str, left: object, right: object) -> list[str] | None:
    """Return the explanation of `left <operator> right`, its first line the comparison itself.

    None where neither side holds messages, or the comparison is another than `==`, `!=`, `in` and `not in`: then
    pytest explains it as always.
    """
    if operator == "==" and isinstance(left, Messages) and _listed(right):
        return _unequal(left, right, f"{left!r} == {_brief(right)}")
    if operator == "==" and isinstance(right, Messages) and _listed(left):
        return _unequal(right, left, f"{_brief(left)} == {right!r}")
    if operator == "!=" and isinstance(left, Messages):
        return [f"{left!r} != {_brief(right)}", "the same messages"]
    if operator in ("in", "not in") and isinstance(right, Messages):
        return [f"{_brief(left)} {operator} {right!r}", *_first_life(left, right)]
    return None


def _listed(value: object) -> bool:
    return isinstance(value, Messages | list | tuple | set | frozenset)


def _unequal(messages: Messages, other: object, head: str) -> list[str]:
    wanted = list(other) if isinstance(other, Collection) else []
    extra = [life for life in messages if not any(life == each for each in wanted)]
    missing = [each for each in wanted if each not in messages]
    lines = [head]
    if extra:
        lines.append(f"not expected in {messages.name}: {_members([life.id for life in extra])}")
    if missing:
        lines.append(f"missing in {messages.name}: {_members([_name(each) for each in missing])}")
    if not extra and not missing:
        lines.append("the same messages, in another order or more than once")
    return [*lines, *(line for life in extra[:SHOWN] for line in str(life).splitlines())]


def _first_life(left: object, messages: Messages) -> list[str]:
    found = next((life for life in messages if life == left), None)
    return [] if found is None else str(found).splitlines()


def _members(names: list[str]) -> str:
    shown = ", ".join(printable(name, 80) for name in names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown}, ... and {len(names) - SHOWN:,} more"


def _name(value: object) -> str:
    return value.id if isinstance(value, Life) else str(value)


def _brief(value: object) -> str:
    return cut(printable(repr(value)), 200)
