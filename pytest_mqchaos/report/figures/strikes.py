"""Where and when each fault struck, how long it was in force, and how soon work went on afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pytest_mqchaos.model import events as e
from pytest_mqchaos.report.figures.waits import Window, first_after

__all__ = ["Strikes"]

_MOST = 20
"""Most strikes of one fault that are told; `strikes` counts all."""


class Strikes:
    """Gathers the strikes of a run, by the number of their fault.

    Args:
        start: the moment that counts as zero, in nanoseconds.
        faults: how many there are.
    """

    def __init__(self, start: int, faults: int) -> None:
        self._start = start
        self._faults = faults
        self._struck: dict[int, list[e.FaultFired]] = {}
        self._healed: dict[int, list[float]] = {}

    def handlers(self) -> Mapping[type[e.Event], Callable[[Any], None]]:
        """Return what takes each kind of event in."""
        return {e.FaultFired: self._fired, e.FaultHealed: self._heal}

    def _fired(self, event: e.FaultFired) -> None:
        self._struck.setdefault(event.fault, []).append(event)

    def _heal(self, event: e.FaultHealed) -> None:
        self._healed.setdefault(event.fault, []).append(self._seconds(event.at))

    def _seconds(self, at: int) -> float:
        return round((at - self._start) / 1e9, 6)

    def _window(self, event: e.FaultFired) -> Window:
        """Return when a strike was in force: until its heal, or for its moment only."""
        at = self._seconds(event.at)
        return at, next((healed for healed in self._healed.get(event.fault, ()) if healed >= at), at)

    def windows(self) -> list[Window]:
        """Return when faults were in force; those of the payload, and strikes that nobody felt, never are."""
        felt = [
            event
            for each in self._struck.values()
            for event in each
            if event.actor != "publisher" and event.changed
        ]
        return sorted(self._window(event) for event in felt)

    def moments(self) -> Iterator[float]:
        """Yield when faults struck and were healed."""
        for window in self.windows():
            yield from window

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
                "recovery": self._recovery(self._struck.get(number, ()), ordered),
                "resumed": self._recovery(self._struck.get(number, ()), arrived),
                "struck": [
                    self._strike(event, *depths.get(id(event), (None, None)))
                    for event in self._struck.get(number, ())[:_MOST]
                ],
            }
            for number in range(self._faults)
        ]

    def _recovery(self, struck: Sequence[e.FaultFired], moments: Sequence[float]) -> float | None:
        """Return the longest time from an end of the fault to the first of these after it; None if none followed."""
        felt = [event for event in struck if event.actor != "publisher"]
        longest: float | None = None
        for _, until in map(self._window, felt):
            after = first_after(moments, until)
            if after is None:
                return None
            longest = max(longest or 0.0, round(after - until, 6))
        return longest

    def _strike(self, event: e.FaultFired, waiting: int | None, in_hand: int | None) -> dict[str, Any]:
        since, until = self._window(event)
        return {
            "at": since,
            "until": until if until > since else None,
            "target": event.target,
            "changed": event.changed,
            "actor": event.actor,
            "trigger": event.trigger,
            "message": event.message,
            "delay": round(event.delay, 6),
            "waiting": waiting,
            "in_hand": in_hand,
        }
