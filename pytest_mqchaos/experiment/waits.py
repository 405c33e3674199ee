"""Times that a test gives by hand."""

from __future__ import annotations

from pytest_mqchaos.errors import UsageError

__all__ = ["seconds"]


def seconds(call: str, value: object, *, above: bool = False) -> float:
    """Return a time-out in seconds as it was given to a call: 0 or more, or `above` 0.

    Raises:
        UsageError: if it is none.
    """
    __tracebackhide__ = True
    good = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    if not good or (above and not value):
        raise UsageError(f"{call}: timeout={value!r}: seconds, {'above 0' if above else '0 or more'}")
    return float(value)  # type: ignore[arg-type]  # it is a number, as `good` says
