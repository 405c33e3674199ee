"""Whether two measurements differ by more than chance makes them: the two rules of `report diff`.

Both judge one run against one other, on machines that may have been busy; so besides the statistics each asks for
a difference that a reader would feel.

**Latency**, of messages that no fault's window met. A percentile of n values lies, with a confidence of 99 %,
between the values of the ranks nq - z*sqrt(nq(1-q)) and nq + z*sqrt(nq(1-q)), each rounded up, z = 2.576 (W. J.
Conover, Practical Nonparametric Statistics, 3rd ed., 1999, section 3.2). The document has the values in bars, so the
interval reaches from the lower edge of the one bar to the upper edge of the other; of a thousand messages or more whose
ranks lie in one bar, the document's own percentile stands for it, and a bar's width hides nothing. Slower means: the
new interval begins at twice the end of the old one, or above. (A busy machine easily makes the half of that.)

**Recovery**, of all faults of one kind together. A wait for the next try of a client is at most as irregular as an
exponential one; the ratio of two sums of n exponential waits is distributed as F(2n, 2n) (D. R. Cox, Some simple
approximate tests for Poisson variates, Biometrika 40, 1953). Slower means: a ratio as large as this one has a
chance of at most 1 %. A wait below 0.1 s counts as 0.1 s: it depends on what the consumer just had in hand.

**Chances** of a step in the life of a message. They differ where their 95 % intervals (Wilson's) have nothing in
common, which asks for more than a test of their difference with 1 % does, and by 2 per cent points at least.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["apart", "chance", "percentile_interval", "recovers_slower", "slower"]

_Z = 2.576
_FACTOR = 2.0
_CHANCE = 0.01
_SHORT = 0.1
_POINTS = 0.02
_QUANTILES = (0.5, 0.95)
_MANY = 1000
"""From so many messages on a percentile is taken as it is, where no mode is near."""


def slower(old: Mapping[str, Any], new: Mapping[str, Any]) -> float | None:
    """Return the first of the percentiles 0.5 and 0.95 that is larger in `new` by more than noise; None if neither.

    Args:
        old: the latency of a run, as the document has it.
        new: the same of the other run.
    """
    for share in _QUANTILES:
        _, until = _interval(old, share)
        since, _ = _interval(new, share)
        if until and since >= _FACTOR * until:
            return share
    return None


def _interval(latency: Mapping[str, Any], share: float) -> tuple[float, float]:
    """Return what a percentile lies between: itself where it is sure enough, else what the bars tell."""
    bars, outside = latency["distribution"], latency["outside"]
    low, high = percentile_interval(bars, share)
    known = outside[f"p{share * 100:g}"]
    within = any((bar["from"], bar["until"] or math.inf) == (low, high) for bar in bars)
    return (known, known) if outside["messages"] >= _MANY and within and known else (low, high)


def percentile_interval(bars: Sequence[Mapping[str, Any]], share: float) -> tuple[float, float]:
    """Return what a percentile of the messages outside of faults lies between; from 0 up to infinity if unknown."""
    counts = [bar["outside"] for bar in bars]
    many = sum(counts)
    half = _Z * math.sqrt(many * share * (1 - share))
    ranks = math.ceil(many * share - half), math.ceil(many * share + half)
    low = _bar(counts, ranks[0])
    high = _bar(counts, ranks[1])
    until = None if high is None else bars[high]["until"]
    return (0.0 if low is None else bars[low]["from"]), (math.inf if until is None else until)


def _bar(counts: Sequence[int], rank: int) -> int | None:
    """Return the bar that holds the value of a rank, from 1; None if there is no such rank."""
    below = 0
    for number, count in enumerate(counts):
        below += count
        if 1 <= rank <= below:
            return number
    return None


def apart(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether two chances, each with its interval, differ by more than noise."""
    disjoint = bool(old["high"] < new["low"] or new["high"] < old["low"])
    return disjoint and bool(abs(old["probability"] - new["probability"]) >= _POINTS)


def recovers_slower(old: Sequence[float], new: Sequence[float]) -> bool:
    """Whether the second of two equally long rows of recovery times is longer by more than noise."""
    sums = [sum(max(each, _SHORT) for each in row) for row in (old, new)]
    return chance(len(old), sums[1] / sums[0]) <= _CHANCE if old else False


def chance(n: int, ratio: float) -> float:
    """Return the probability that F(2n, 2n) exceeds a ratio.

    F(2n, 2n) exceeds r where a variable of Beta(n, n) exceeds x = r / (1 + r), which is where fewer than n of
    2n - 1 trials with a chance of x succeed.
    """
    up, down = math.log(ratio), math.log1p(ratio)
    trials = 2 * n - 1
    # By logarithms: beyond n = 515 the binomial coefficients are no floats any more.
    terms = (
        math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1) + k * up for k in range(n)
    )
    return min(1.0, math.fsum(math.exp(term - trials * down) for term in terms))
