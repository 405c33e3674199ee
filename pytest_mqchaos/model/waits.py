"""Times that a test gives by hand: one rule for what is a number of seconds."""

from __future__ import annotations

from typing import TypeGuard

from pytest_mqchaos.errors import UsageError

__all__ = ["are_seconds", "seconds"]


def are_seconds(value: object, *, above: bool = False) -> TypeGuard[float]:
    """Whether it is a number, 0 or more, or `above` 0, and not endless; True is a yes and not a second."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
    return number and not (above and not value)


def seconds(call: str, name: str, value: object, *, above: bool = False, words: str = "") -> float:
    """Return a time in seconds as it was given to a call: 0 or more, or `above` 0.

    Args:
        call: in which it was given, such as `settle()`.
        name: of the argument.
        value: that was given.
        above: whether 0 is too little.
        words: what to say of its bound, unless it says all.

    Raises:
        UsageError: if it is none.
    """
    __tracebackhide__ = True
    if not are_seconds(value, above=above):
        raise UsageError(
            f"{call}: {name}={value!r}: seconds, {words or ('above 0' if above else '0 or more')}"
        )
    return float(value)
