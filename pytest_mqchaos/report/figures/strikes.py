"""Where and when each fault struck, how long it was in force, and how soon work went on afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_mqchaos.model.surroundings import Strike, Surroundings
from pytest_mqchaos.report.figures.waits import Window, first_after

__all__ = ["Strikes"]

_MOST = 20
"""Most strikes of one fault that are told; `strikes` counts all."""


class Strikes:
    """The strikes of a run, by the number of their fault.

    Args:
        start: the moment that counts as zero, in nanoseconds.
        faults: how many there are.
        around: what happened around the messages.
        in_force: the strikes that disturbed somebody, each with when it was over, as `around` tells.
    """

    def __init__(
        self, start: int, faults: int, around: Surroundings, in_force: Sequence[tuple[Strike, int]]
    ) -> None:
        self._start = start
        self._faults = faults
        self._around = around
        self._struck: dict[int, list[Strike]] = {}
        for strike in around.strikes:
            self._struck.setdefault(strike.event.fault, []).append(strike)
        self._windows: dict[int, list[Window]] = {}
        for strike, until in in_force:
            window = self._seconds(strike.event.at), self._seconds(until)
            self._windows.setdefault(strike.event.fault, []).append(window)

    def _seconds(self, at: int) -> float:
        return round((at - self._start) / 1e9, 6)

    def windows(self) -> list[Window]:
        """Return when faults were in force: what a promised time excuses, too."""
        return sorted(window for each in self._windows.values() for window in each)

    def moments(self) -> Iterator[float]:
        """Yield when faults struck, though nobody felt it, and were healed."""
        for strike in self._around.strikes:
            if strike.event.actor != "publisher":
                yield self._seconds(strike.event.at)
                yield self._seconds(self._around.until(strike))

    def figure(
        self, worked: Sequence[float], delivered: Sequence[float], depths: Mapping[int, tuple[int, int]]
    ) -> list[dict[str, Any]]:
        """Return what each fault did, by its number.

        Args:
            worked: when work was seen to be done.
            delivered: when deliveries arrived.
            depths: how many messages waited and were in hand at each strike, by its event's identity.
        """
        ordered, arrived = sorted(worked), sorted(delivered)
        return [
            {
                "recovery": self._recovery(number, ordered),
                "resumed": self._recovery(number, arrived),
                "struck": [
                    self._strike(each, *depths.get(id(each.event), (None, None)))
                    for each in self._struck.get(number, ())[:_MOST]
                ],
            }
            for number in range(self._faults)
        ]

    def _recovery(self, number: int, moments: Sequence[float]) -> float | None:
        """Return the longest time from an end of the fault to the first of these after it; None if none followed."""
        longest: float | None = None
        for _, until in self._windows.get(number, ()):
            after = first_after(moments, until)
            if after is None:
                return None
            longest = max(longest or 0.0, round(after - until, 6))
        return longest

    def _strike(self, strike: Strike, waiting: int | None, in_hand: int | None) -> dict[str, Any]:
        event, healed = strike.event, self._around.until(strike)
        return {
            "at": self._seconds(event.at),
            "until": self._seconds(healed) if healed > event.at else None,
            "target": event.target,
            "changed": event.changed,
            "actor": event.actor,
            "trigger": event.trigger,
            "message": event.message,
            "delay": round(event.delay, 6),
            "waiting": waiting,
            "in_hand": in_hand,
        }
