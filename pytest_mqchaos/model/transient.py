"""Transient failures: what a service does that is unwell for a while, the first tries of some messages."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_mqchaos.errors import UsageError

__all__ = ["Transient", "transient"]

_LEAST, _MOST = 300, 599


@dataclass(frozen=True, slots=True)
class Transient:
    """The first `tries` of some messages fail with `status`; then they go well."""

    tries: int
    share: float = 0.1
    status: int = 503

    def choose(self, messages: Sequence[str], rng: random.Random) -> frozenset[str]:
        """Choose the messages whose first tries fail: `share` of them, at least one."""
        wanted = min(len(messages), max(1, round(self.share * len(messages))))
        return frozenset(rng.sample(list(messages), wanted))

    def __str__(self) -> str:
        """As its user would write it."""
        return f"transient({self.tries}, share={self.share:g}, status={self.status})"


def transient(tries: int, *, share: float = 0.1, status: int = 503) -> Transient:
    """Return a service's failure that passes: `mqchaos.http(..., fail=transient(2))`.

    Args:
        tries: how many of a message's tries fail, the first ones, over all consumers and their restarts.
        share: of the good messages of each publication, at least one; which they are follows from the test's seed.
        status: what these tries are answered with, 300 to 599.

    Raises:
        UsageError: if a value is out of range.
    """
    __tracebackhide__ = True
    if callable(tries):
        raise UsageError("transient was used as a decorator: a failure is written transient(2)")
    if isinstance(tries, bool) or not isinstance(tries, int) or tries < 1:
        raise UsageError(f"transient({tries!r}): how many tries fail, a whole number, at least 1")
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise UsageError(f"transient(share={share!r}): a share of the messages, above 0, at most 1")
    if isinstance(status, bool) or not isinstance(status, int) or not _LEAST <= status <= _MOST:
        raise UsageError(f"transient(status={status!r}): a status that is no success, {_LEAST} to {_MOST}")
    return Transient(tries, float(share), status)
