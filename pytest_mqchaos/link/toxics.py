"""Which toxics of Toxiproxy make a condition. Pure: what it is told stands in `toxiproxy`.

A stall is a bandwidth of 0, which keeps what it has not passed on (`timeout` does not). In a black hole Toxiproxy
swallows what is said to the broker, and the wire what the broker says: it takes down what that was.

Toxiproxy counts in whole milliseconds and kilobytes a second, and its chance has no seed: what cannot be said so is
left to the wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_mqchaos.link.weather import Condition

__all__ = ["Toxic", "toxics_of"]

_KILO = 1000


@dataclass(frozen=True, slots=True)
class Toxic:
    """A toxic as Toxiproxy names it; `stream` is `upstream` (to the broker) or `downstream`."""

    name: str
    type: str
    stream: str
    attributes: Mapping[str, int]

    @property
    def arguments(self) -> dict[str, Any]:
        """What toxiproxy-python takes to add it."""
        return {
            "name": self.name,
            "type": self.type,
            "stream": self.stream,
            "attributes": dict(self.attributes),
        }

    def __str__(self) -> str:
        """The toxic in words: `latency 100 (upstream)`."""
        values = " ".join(str(value) for value in self.attributes.values())
        return f"{self.type} {values} ({self.stream})"


def toxics_of(condition: Condition) -> list[Toxic]:
    """Return the toxics that make a condition; none where it cannot be said exactly."""
    named = _type_of(condition)
    if named is None:
        return []
    kind, attributes = named
    return [
        Toxic(f"{condition.kind}-{condition.number}-{stream}", kind, stream, attributes)
        for stream in (("upstream",) if condition.kind == "black_hole" else ("upstream", "downstream"))
    ]


def _type_of(condition: Condition) -> tuple[str, dict[str, int]] | None:
    if condition.kind == "stall":
        return "bandwidth", {"rate": 0}
    if condition.kind == "black_hole":
        return "timeout", {"timeout": 0}
    if condition.kind == "fragment":
        return "slicer", {"average_size": condition.size, "size_variation": 0, "delay": 0}
    if condition.kind == "bandwidth":
        rate = _whole(condition.rate / _KILO)
        return None if rate is None else ("bandwidth", {"rate": rate})
    delay = _whole(condition.delay * _KILO)
    return None if delay is None or condition.jitter else ("latency", {"latency": delay, "jitter": 0})


def _whole(value: float) -> int | None:
    """Return a number as an integer if it is one above 0, but for what floats cannot say."""
    nearest = round(value)
    return nearest if nearest > 0 and abs(value - nearest) < 1e-6 * nearest else None
