"""Guarantees: which findings are violations. The rest is reported as information."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_mqchaos.errors import UsageError

__all__ = ["Guarantee", "at_least_once", "at_most_once", "exactly_once", "guarantee"]


@dataclass(frozen=True, slots=True)
class Guarantee:
    """A promise about delivery.

    `violations` holds findings by kind (`"lost"`) or by kind and detail (`"redelivered:unexplained"`).
    """

    name: str
    violations: frozenset[str]
    promise: str = field(default="", compare=False)
    """What it says, as a sentence for readers of a report."""

    def counts(self, kind: str, detail: str = "") -> bool:
        """Whether a finding of this kind and detail breaks the promise."""
        return kind in self.violations or f"{kind}:{detail}" in self.violations

    def __str__(self) -> str:
        """The name, as a user writes it."""
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
    raise UsageError(f"guarantee={value!r}: one of {', '.join(map(repr, _NAMED))}")
