"""Delays made shorter (or longer) by a factor, alike wherever they stand: a file, a declaration, a message.

Whoever declares a queue that is there already has to say the same numbers, so all scale by this one rule.
"""

from __future__ import annotations

from pytest_mqchaos.errors import UsageError

__all__ = ["LIVES", "checked_scale", "scaled"]

LIVES = ("x-message-ttl", "x-expires")
"""The arguments of a queue that are milliseconds to wait."""


def scaled(milliseconds: int, scale: float) -> int:
    """Return a number of milliseconds scaled: at least one, unless it was none."""
    if milliseconds <= 0:
        return milliseconds
    return max(1, round(milliseconds * scale))


def checked_scale(call: str, value: object) -> float:
    """Return `ttl_scale=` of a call.

    Raises:
        UsageError: if it is no factor above 0.
    """
    __tracebackhide__ = True
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")
    if not usable:
        raise UsageError(f"{call}: ttl_scale={value!r}: a factor above 0, such as 0.01")
    return float(str(value))
