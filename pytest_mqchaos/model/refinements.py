"""Refinements: what a test promises beyond its guarantee, added to it by `+`.

```
exactly_once + ordered("customer") + within(5.0)
     │               │                  └── counts `late`
     │               └── counts `reordered`
     └── counts what it always counts
```
Each is a kind of finding that becomes a violation, and the terms that its check judges by. They are functions, not
classes, so that `exactly_once + ordered` without parentheses is told apart from a refinement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model.retries import Policy, not_a_policy

__all__ = [
    "Failover",
    "Ordered",
    "Prefetch",
    "Refinement",
    "Retry",
    "Terms",
    "Within",
    "failover",
    "not_a_refinement",
    "ordered",
    "prefetch",
    "retry",
    "within",
]


@dataclass(frozen=True, slots=True)
class Ordered:
    """Messages of one key are worked on in the order in which they were published."""

    by: str | Callable[[Any], object]
    """The name of a JSON field, or a function of the message, as `publish(key=...)` takes it."""
    strict: bool = False
    """Whether a message that went back to its queue before its work is no excuse."""


@dataclass(frozen=True, slots=True)
class Within:
    """The first effect of a message comes within a time of its publication."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Prefetch:
    """A consumer has no more than so many deliveries in hand."""

    count: int


@dataclass(frozen=True, slots=True)
class Failover:
    """What a dead consumer held is with another one within a time."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Retry:
    """What fails is tried again as a policy says."""

    policy: Policy
    attempts: int | None = None
    """How many in all, the first among them; None for any number."""


Terms: TypeAlias = Ordered | Within | Prefetch | Failover | Retry


@dataclass(frozen=True, slots=True)
class Refinement:
    """One promise more: which finding breaks it, and by which terms."""

    finding: str
    """The kind of finding that it makes a violation."""
    text: str
    """As a user writes it."""
    promise: str = field(compare=False)
    """What it says, as a sentence for readers of a report."""
    terms: Terms

    def __str__(self) -> str:
        """As a user writes it."""
        return self.text

    def __add__(self, other: object) -> NoReturn:
        """Refuse: a refinement stands behind a guarantee."""
        __tracebackhide__ = True
        raise UsageError(f"{self} + {other}: a guarantee comes first: write at_least_once + {self} + ...")

    def __radd__(self, other: object) -> NoReturn:
        """Refuse: it refines the constants, not the texts of their names."""
        __tracebackhide__ = True
        if isinstance(other, str):
            constant = other.replace("-", "_")
            raise UsageError(f"{other!r} + {self}: {other!r} is a text: write {constant} + {self}")
        raise UsageError(f"{other!r} + {self}: it refines a guarantee: write at_least_once + {self}")


_NOTHING: Any = object()


def ordered(by: str | Callable[[Any], object] = _NOTHING, *, strict: bool = False) -> Refinement:
    """Promise that messages of one key are worked on in the order in which they were published.

    Work is the first effect of a message, as a file tells it. A message that went back to its queue by any means before
    its first effect is excused: no queue promises its place then.

    Args:
        by: what must stay in order among itself: the name of a JSON field, `ordered("customer")`, or a function of the
            message (which has `body`, `json`, `headers`, `properties`), as `publish(key=...)` takes it.
        strict: nothing is excused.

    Raises:
        UsageError: if `by` is missing, or neither a name nor a function.
    """
    __tracebackhide__ = True
    if by is _NOTHING:
        raise UsageError('ordered(): by what? Name a JSON field, ordered("customer"), or give a function')
    if not callable(by) and not (isinstance(by, str) and by):
        raise UsageError(f"ordered({by!r}): the name of a JSON field, or a function of the message")
    if not isinstance(strict, bool):
        raise UsageError(f"ordered(strict={strict!r}): True or False")
    name = getattr(by, "__name__", "")
    shown = repr(by) if isinstance(by, str) else name if name.isidentifier() else "a function"
    same = f"of the same `{by}`" if isinstance(by, str) else f"of one key (by {shown})"
    whatever = ", whatever gave one back" if strict else ""
    return Refinement(
        "reordered",
        f"ordered({shown}, strict=True)" if strict else f"ordered({shown})",
        f"Messages {same} are worked on in the order they were published{whatever}.",
        Ordered(by, strict),
    )


def within(seconds: float = _NOTHING) -> Refinement:
    """Promise that a message is worked on soon: its first effect within a time of its first publication.

    What meets a fault in force is not judged: from its strike until what was published by the first effect after its
    heal is worked off.

    Args:
        seconds: the longest time from publish to first effect, above 0.

    Raises:
        UsageError: if `seconds` is missing, or no such number.
    """
    __tracebackhide__ = True
    bound = _bound("within", seconds, "within(5.0)")
    promise = f"Outside of faults, a message is worked on within {bound:g} s of its publication."
    return Refinement("late", f"within({bound:g})", promise, Within(bound))


def prefetch(count: int = _NOTHING) -> Refinement:
    """Promise that no consumer has more unsettled deliveries in hand than that, by consumer tag.

    A subscription without a prefetch breaks it, also where few messages came. `basic.get` and automatic ack do not
    count, and a prefetch of the whole channel (`global`) counts as far as the broker honours it.

    Args:
        count: the most deliveries, at least 1.

    Raises:
        UsageError: if `count` is missing, or no such number.
    """
    __tracebackhide__ = True
    if count is _NOTHING:
        raise UsageError("prefetch(): how many? Write prefetch(10)")
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise UsageError(f"prefetch({count!r}): a whole number, at least 1")
    promise = f"No consumer has more than {count} deliveries in hand."
    return Refinement("prefetch_breach", f"prefetch({count})", promise, Prefetch(count))


def failover(seconds: float = _NOTHING) -> Refinement:
    """Promise that another consumer gets what a consumer held when it died, within a time.

    Another one is another replica, or the process that is started after the dead one. The time runs from the end of the
    process, and stands still while the broker is down or a network fault lasts.

    Args:
        seconds: the longest time from the death to the next delivery, above 0.

    Raises:
        UsageError: if `seconds` is missing, or no such number.
    """
    __tracebackhide__ = True
    bound = _bound("failover", seconds, "failover(2.0)")
    promise = f"What a consumer holds when it dies is with another one within {bound:g} s."
    return Refinement("failover_miss", f"failover({bound:g})", promise, Failover(bound))


def retry(policy: Policy = _NOTHING, *, attempts: int | None = None) -> Refinement:
    """Promise that what fails is tried again after the delays of a policy, and how often in all.

    An attempt is a delivery on the wire that the consumer ends by its own will: it gives the message back, rejects it,
    or publishes it again. What a fault ends is none. A message that is refused at its first attempt was not tried
    again, and is not held against the number if it cannot be processed.

    Args:
        policy: `fixed(d)`, `linear(d)`, `exponential(base, factor, cap)`, or `jittered(...)` of one of them.
        attempts: how many in all, the first among them, at least 1; any number by default.

    Raises:
        UsageError: if there is no policy, or no such number.
    """
    __tracebackhide__ = True
    if policy is _NOTHING:
        raise UsageError("retry(): which policy? Write retry(fixed(1.0), attempts=3)")
    if not isinstance(policy, Policy):
        raise not_a_policy("retry", policy)
    if attempts is not None and (isinstance(attempts, bool) or not isinstance(attempts, int) or attempts < 1):
        raise UsageError(f"retry(attempts={attempts!r}): a whole number, at least 1")
    count, times = ("", "") if attempts is None else (f", attempts={attempts}", f", {attempts} times in all")
    promise = f"What fails is tried again after {policy}{times}."
    return Refinement("retry_schedule", f"retry({policy}{count})", promise, Retry(policy, attempts))


def _bound(name: str, value: object, example: str) -> float:
    """Return a number of seconds above 0."""
    __tracebackhide__ = True
    if value is _NOTHING:
        raise UsageError(f"{name}(): how long? Write {example}")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise UsageError(f"{name}({value!r}): a number of seconds above 0")
    return float(value)


def not_a_refinement(before: str, value: object) -> UsageError:
    """Return the error for what stands behind a `+` and refines nothing.

    Args:
        before: the guarantee that it was added to.
        value: what was added.
    """
    name = getattr(value, "__name__", "")
    if callable(value) and name in _EXAMPLES:
        return UsageError(f"{before} + {name}: forgotten parentheses: write {_EXAMPLES[name]}")
    known = ", ".join(_EXAMPLES.values())
    return UsageError(f"{before} + {value!r}: not a refinement: there are {known}")


_EXAMPLES = {
    "ordered": 'ordered("customer")',
    "within": "within(5.0)",
    "prefetch": "prefetch(10)",
    "failover": "failover(2.0)",
    "retry": "retry(fixed(1.0), attempts=3)",
}
