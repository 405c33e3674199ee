"""Guarantees: which findings are violations. The rest is reported as information."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeVar

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model.refinements import Refinement, not_a_refinement

_Terms = TypeVar("_Terms")

__all__ = ["Guarantee", "at_least_once", "at_most_once", "exactly_once", "guarantee"]


@dataclass(frozen=True, slots=True)
class Guarantee:
    """A promise about delivery.

    `violations` holds findings by kind (`"lost"`) or by kind and detail (`"redelivered:unexplained"`).
    """

    name: str
    violations: frozenset[str]
    promise: str = field(default="", compare=False)
    """What it says, in sentences for readers of a report."""
    refinements: tuple[Refinement, ...] = ()
    """What is promised beyond, in the order written."""

    def counts(self, kind: str, detail: str = "") -> bool:
        """Whether a finding of this kind and detail breaks the promise."""
        return kind in self.violations or f"{kind}:{detail}" in self.violations

    @property
    def written(self) -> str:
        """How it is written as an argument: the name as a text, or refined by `+` the constant."""
        first, *more = self.name.split(" + ")
        return repr(first) if not more else " + ".join((first.replace("-", "_"), *more))

    def terms(self, kind: type[_Terms]) -> _Terms | None:
        """Return the terms of a refinement, None if that is not promised."""
        return next((one.terms for one in self.refinements if isinstance(one.terms, kind)), None)

    def __add__(self, other: object) -> Guarantee:
        """Promise more: `exactly_once + ordered("customer")`.

        Raises:
            UsageError: if it is no refinement, or one of its kind is there already.
        """
        __tracebackhide__ = True
        if not isinstance(other, Refinement):
            raise not_a_refinement(str(self), other)
        if any(one.finding == other.finding for one in self.refinements):
            raise UsageError(f"{self} + {other}: promised twice: one of them is enough")
        return replace(
            self,
            name=f"{self.name} + {other}",
            violations=self.violations | {other.finding},
            promise=f"{self.promise} {other.promise}",
            refinements=(*self.refinements, other),
        )

    def __str__(self) -> str:
        """The name, as a user writes it; refined, what was added to it too."""
        return self.name


_ALWAYS = frozenset({"redelivered:unexplained", "unexpected", "corrupted", "illegal_transition"})

at_most_once = Guarantee(
    "at-most-once",
    _ALWAYS | {"duplicated"},
    "No message is worked on more often than it was published; it may be lost.",
)
"""No message is worked on more often than it was published; it may be lost."""

at_least_once = Guarantee(
    "at-least-once",
    _ALWAYS
    | {
        "lost",
        "stranded",
        "stalled",
        "unacknowledged",
        "requeue_storm",
        "poison_stuck",
        "poison_effected",
        "dead_letter_miss",
        "dead_letter_false_positive",
        "persistence_loss",
    },
    "Every good message is worked on, settled and gone; every bad one is where it belongs.",
)
"""Every good message is worked on, settled and gone; every bad one is where it belongs."""

exactly_once = Guarantee(
    "exactly-once",
    at_least_once.violations | {"duplicated"},
    "Every good message is worked on once and no more, settled and gone; every bad one is where it belongs.",
)
"""At least once, and no effect twice."""

_NAMED = {one.name: one for one in (at_most_once, at_least_once, exactly_once)}


def guarantee(value: object) -> Guarantee:
    """Return the guarantee of that name; a `Guarantee` is returned as it is.

    Raises:
        UsageError: if there is none of that name.
    """
    __tracebackhide__ = True
    if isinstance(value, Guarantee):
        return value
    if isinstance(value, str) and value in _NAMED:
        return _NAMED[value]
    if isinstance(value, Refinement):
        raise UsageError(
            f"guarantee={value}: it refines a guarantee: write guarantee=at_least_once + {value}"
        )
    raise UsageError(f"guarantee={value!r}: one of {', '.join(map(repr, _NAMED))}")
