"""Sweeps: faults at every moment of a stretch, each a scenario of its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import pytest_mqchaos.model.triggers as triggers
from pytest_mqchaos.model.faults.fault import Fault, Scenario
from pytest_mqchaos.model.faults.making import usage
from pytest_mqchaos.model.triggers import Trigger

__all__ = ["sweep"]

_LIKE = "sweep(consumer_crash, after=(delivery, ack), n=20)"


def sweep(
    *kinds: Callable[..., Fault],
    before: Callable[..., Trigger] | Iterable[Callable[..., Trigger]] = (),
    after: Callable[..., Trigger] | Iterable[Callable[..., Trigger]] = (),
    n: int | Iterable[float] = 10,
    **options: Any,
) -> tuple[Fault, ...]:
    """Return each fault at each moment, to be unpacked into a mark: a bug that shows at one moment only is found.

    `chaos(*sweep(consumer_crash, after=(delivery, ack), n=20))` is forty tests, `consumer_crash-after-delivery-1` to
    `consumer_crash-after-ack-20`. The workload must be long enough that each moment comes.

    Args:
        kinds: faults that have a moment, without their parentheses.
        before: events before each of which they strike, without their parentheses: `ack`, or `(delivery, ack)`.
        after: events after each of which they strike.
        n: how many of each event, from the first on; or which: `range(10, 100, 10)`. With `seconds` the times.
        options: what each fault is given besides, `duration=0.5`.

    Raises:
        UsageError: if something is not a fault with a moment, or not an event, or nothing is swept.
    """
    __tracebackhide__ = True
    if not kinds:
        usage("sweep", f"name a fault and the events: {_LIKE}")
    if "name" in options:
        usage("sweep", "name=: each moment has an id of its own")
    moments = [
        (position, _event(position, event))
        for position, given in (("before", before), ("after", after))
        for event in (given if isinstance(given, Iterable) and not isinstance(given, str) else (given,))
    ]
    if not moments:
        usage("sweep", f"before= or after= which events? {_LIKE}")
    numbers = _numbers(n)
    return tuple(
        _fault(kind)(**{position: event(number)}, **options)
        for kind in kinds
        for position, event in moments
        for number in numbers
    )


def _fault(kind: object) -> Callable[..., Fault]:
    __tracebackhide__ = True
    if isinstance(kind, Fault | Scenario):
        usage(
            "sweep",
            f"{kind if isinstance(kind, Fault) else kind.id}: without its parentheses and its moment: {_LIKE}",
        )
    ours = callable(kind) and getattr(kind, "__module__", "").startswith(str(__package__))
    if not callable(kind) or not ours:
        usage("sweep", f"{kind!r} is not a fault: {_LIKE}")
    if "before" not in inspect.signature(kind).parameters:
        usage("sweep", f"{getattr(kind, '__name__', kind)} strikes at no moment that could be swept")
    return kind


def _event(position: str, event: object) -> Callable[..., Trigger]:
    __tracebackhide__ = True
    if isinstance(event, Trigger):
        usage(
            "sweep",
            f"{position}={event}: without its parentheses, {position}={event.kind}; how many of them is n=",
        )
    made: Callable[..., Trigger] | None = getattr(triggers, getattr(event, "__name__", ""), None)
    if made is None or made is not event:
        usage("sweep", f"{position}={event!r}: an event, as in {_LIKE}")
    return made


def _numbers(n: object) -> list[object]:
    __tracebackhide__ = True
    if isinstance(n, int) and not isinstance(n, bool):
        numbers: list[object] = list(range(1, n + 1))
    elif isinstance(n, Iterable) and not isinstance(n, str | bytes):
        numbers = list(n)
    else:
        usage("sweep", f"n={n!r}: how many moments, or which: n=20, n=range(10, 100, 10)")
    if not numbers:
        usage("sweep", f"n={n!r}: no moment at all")
    return numbers
