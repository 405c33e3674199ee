"""Absorbing Markov chains from counts: how likely each step is, each end, and how often each state is come to.

With the transient states first the matrix of transition probabilities is

```
 P = | Q  R |        N = (I - Q)⁻¹      N[i][j]: expected visits to j, begun in i (the first counts)
     | 0  I |        B = N R            B[i][k]: probability to end in k, begun in i
```
(J. G. Kemeny and J. L. Snell, Finite Markov Chains, 1960, theorems 3.2.4 and 3.3.7.) Probabilities are relative
frequencies, with the interval of E. B. Wilson (Probable inference, the law of succession, and statistical inference,
JASA 22, 1927), which stays within 0 and 1 and means something at few observations too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist

__all__ = ["Chain", "wilson"]

_Z = NormalDist().inv_cdf(0.975)
"""Of a two-sided interval with a confidence of 95 %."""

Steps = Mapping[tuple[str, str], int]


class Chain:
    """A chain whose steps were counted.

    Args:
        steps: how often each step `(from, to)` was taken. A state that no step leaves is an end, and every state is to
            lead to one.

    Raises:
        ValueError: a state leads to no end.
    """

    def __init__(self, steps: Steps) -> None:
        self.steps = {step: count for step, count in steps.items() if count > 0}
        self._left: dict[str, int] = {}
        for (origin, _), count in self.steps.items():
            self._left[origin] = self._left.get(origin, 0) + count
        self.transient = sorted(self._left)
        self.ends = sorted({target for _, target in self.steps} - self._left.keys())
        self._visits = self._fundamental()

    def left(self, state: str) -> int:
        """How often a state was left."""
        return self._left.get(state, 0)

    def probability(self, origin: str, target: str) -> float:
        """The relative frequency of a step; 0 from a state that was never left."""
        left = self.left(origin)
        return self.steps.get((origin, target), 0) / left if left else 0.0

    def visits(self, start: str, state: str) -> float:
        """How often a state is come to on average, from the start to the end; the beginning in it counts."""
        if start not in self._left:
            return float(start == state)
        if state in self._left:
            return self._visits[self.transient.index(start)][self.transient.index(state)]
        return self.absorption(start, state)

    def absorption(self, start: str, end: str) -> float:
        """How likely the chain ends there."""
        if start not in self._left:
            return float(start == end)
        row = self._visits[self.transient.index(start)]
        return sum(
            visits * self.probability(state, end) for visits, state in zip(row, self.transient, strict=True)
        )

    def _fundamental(self) -> list[list[float]]:
        """N, by Gauss and Jordan with pivots: there are a handful of states."""
        size = len(self.transient)
        rows = [
            [float(i == j) - self.probability(origin, target) for j, target in enumerate(self.transient)]
            + [float(i == j) for j in range(size)]
            for i, origin in enumerate(self.transient)
        ]
        for column in range(size):
            pivot = max(range(column, size), key=lambda i: abs(rows[i][column]))
            if abs(rows[pivot][column]) < 1e-12:
                raise ValueError(f"no way leads from {self.transient[column]!r} to an end")
            rows[column], rows[pivot] = rows[pivot], rows[column]
            rows[column] = _scaled(rows[column], 1 / rows[column][column])
            for i in range(size):
                if i != column:
                    rows[i] = _less(rows[i], rows[column], rows[i][column])
        return [row[size:] for row in rows]


def _scaled(row: Sequence[float], by: float) -> list[float]:
    return [value * by for value in row]


def _less(row: Sequence[float], other: Sequence[float], times: float) -> list[float]:
    return [value - times * theirs for value, theirs in zip(row, other, strict=True)]


def wilson(count: int, of: int, z: float = _Z) -> tuple[float, float]:
    """Return the interval of a probability after `count` successes in `of` trials, of 95 % unless `z` is another's.

    Without trials it is all of it.
    """
    if not of:
        return 0.0, 1.0
    share, square = count / of, z * z
    middle = share + square / (2 * of)
    half = z * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    low, high = (middle - half) / (1 + square / of), (middle + half) / (1 + square / of)
    return (0.0 if not count else max(low, 0.0)), (1.0 if count == of else min(high, 1.0))
