"""How often a fault strikes, and how far apart: `times=` and `every=`.

```
after=delivery(5), times=3              5, 6, 7
after=delivery(5), times=3, every=10    5, 15, 25
after=delivery(message=5), times=3      the first three deliveries of that message
after=seconds(1), times=3, every=0.5    1.0, 1.5, 2.0 s
                   times=3              three seeded moments
                   times=3, every=10    a seeded moment, and ten and twenty events later
```
A moment that comes while the strike before it is still in force is not skipped: it is the next event after that.
"""

from __future__ import annotations

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model.triggers import Trigger

__all__ = ["repeats"]


def repeats(kind: str, trigger: Trigger | None, times: object, every: object) -> tuple[int, float | None]:
    """Return how often a fault strikes and how far apart, validated.

    Args:
        kind: of the fault, for the error.
        trigger: its first moment, None for a seeded one.
        times: a whole number of strikes.
        every: events from one moment to the next; seconds where the trigger is `seconds(t)`.

    Raises:
        UsageError: if a value is out of range, or one makes no sense without the other.
    """
    __tracebackhide__ = True
    if isinstance(times, bool) or not isinstance(times, int) or times < 1:
        raise UsageError(f"{kind}(): times={times!r}: how often it strikes, a whole number, at least 1")
    timed = trigger is not None and trigger.kind == "seconds"
    if every is None:
        if timed and times > 1:
            raise UsageError(f"{kind}(): times={times} at {trigger}: say how far apart, every=0.5 (seconds)")
        return times, None
    if times == 1:
        raise UsageError(f"{kind}(): every={every!r}: say how often as well, times=3")
    if trigger is not None and trigger.message is not None:
        raise UsageError(
            f"{kind}(): every={every!r}: {trigger} is of one message, and it strikes at each of its next events"
        )
    is_number = isinstance(every, int | float) and not isinstance(every, bool) and 0 < every < float("inf")
    if not is_number or not (timed or isinstance(every, int)):
        wanted = "a number of seconds above 0" if timed else "a whole number of events, at least 1"
        raise UsageError(f"{kind}(): every={every!r}: {wanted}")
    return times, float(str(every))
