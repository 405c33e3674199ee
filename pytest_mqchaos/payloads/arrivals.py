"""Arrivals: at which seconds after the first one the messages of a workload are due."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import repeat
from random import Random

from pytest_mqchaos.errors import UsageError

__all__ = ["ARRIVALS", "checked_arrivals", "offsets"]

ARRIVALS = ("burst", "constant", "poisson")


def checked_arrivals(rate: object, arrivals: object) -> tuple[float | None, str]:
    """Return the rate in messages a second and the kind of arrivals; without a rate it is a burst.

    Raises:
        UsageError: if a value is none of these, or the two do not go together.
    """
    __tracebackhide__ = True
    if arrivals is not None and arrivals not in ARRIVALS:
        raise UsageError(f"publish(): arrivals={arrivals!r}: one of {', '.join(map(repr, ARRIVALS))}")
    if rate is None:
        if arrivals in (None, "burst"):
            return None, "burst"
        raise UsageError(f"publish(): arrivals={arrivals!r} needs rate=, in messages a second")
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < math.inf:
        raise UsageError(f"publish(): rate={rate!r}: messages a second, above 0")
    if arrivals == "burst":
        raise UsageError(
            f"publish(): rate={rate!r} with arrivals='burst': a burst has no rate; leave one of them out"
        )
    return float(rate), str(arrivals or "constant")


def offsets(count: int, rate: float | None, arrivals: str, rng: Random) -> Iterator[float]:
    """Yield the seconds from the first message to each of `count` messages, the first being 0.

    `constant` has equal gaps of 1/rate; `poisson` independent, exponentially distributed ones of that mean.
    """
    if rate is None:
        yield from repeat(0.0, count)
    elif arrivals == "constant":
        yield from (number / rate for number in range(count))
    else:
        due = 0.0
        for _ in range(count):
            yield due
            due += rng.expovariate(rate)
