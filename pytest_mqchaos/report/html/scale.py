"""The axis of a timeline: moments to places, with long quiet stretches cut short."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["Scale"]

_TICKS = 9
_APART = 52.0


class Scale:
    """Maps seconds to places between `left` and `right`; a cut takes a fixed width whatever it skips.

    Args:
        first: where the axis begins, in seconds.
        last: where it ends.
        quiet: the stretches that are cut, in order.
        left: place of `first`.
        right: place of `last`.
        cut: width of a cut.
    """

    def __init__(
        self,
        first: float,
        last: float,
        quiet: Sequence[Sequence[float]],
        *,
        left: float,
        right: float,
        cut: float = 64.0,
    ) -> None:
        self.first, self.last = first, max(last, first + 1e-6)
        self.left, self.right = left, right
        self._quiet = [(a, b) for a, b in quiet if first <= a < b <= self.last]
        self._cut = cut
        self._active = max(self.last - first - sum(b - a for a, b in self._quiet), 1e-9)
        self._per_second = (right - left - cut * len(self._quiet)) / self._active

    def __call__(self, at: float) -> float:
        """Return the place of a moment, rounded to a tenth; what lies outside is put on the edge."""
        at = min(max(at, self.first), self.last)
        place = self.left
        since = self.first
        for a, b in self._quiet:
            if at <= a:
                break
            place += (a - since) * self._per_second
            if at < b:
                return round(place + self._cut * (at - a) / (b - a), 1)
            place += self._cut
            since = b
        return round(place + (at - since) * self._per_second, 1)

    def cuts(self) -> list[tuple[float, float, float]]:
        """Return the cuts: where each begins, where it ends, and how many seconds it skips."""
        return [(self(a), self(b), b - a) for a, b in self._quiet]

    def ticks(self) -> list[tuple[float, str]]:
        """Return places and labels at round seconds, none within a cut and none too near to another."""
        step = _round_up(self._active / _TICKS)
        digits = max(0, -math.floor(math.log10(step)))
        found: list[tuple[float, str]] = []
        for number in range(math.ceil(self.first / step - 1e-9), math.floor(self.last / step + 1e-9) + 1):
            at = number * step
            if any(a < at < b for a, b in self._quiet):
                continue
            if any(abs(self(at) - (a + b) / 2) < _APART for a, b, _ in self.cuts()):
                continue
            if not found or self(at) - found[-1][0] >= _APART:
                found.append((self(at), f"{at:.{digits}f}"))
            if len(found) > 10 * _TICKS:
                break
        return found


def _round_up(value: float) -> float:
    """Return the next of 1, 2, 5, 10, ... times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= value * 0.999)
