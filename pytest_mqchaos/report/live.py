"""The live line: how far a run is, in one line of a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_mqchaos.model.printable import cut, printable

__all__ = ["Glance", "live_line"]

_FAULTS = 3
"""Most faults that are told; more are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """A run in flight, as a glance shows it: each number by itself, not all of one moment."""

    published: int
    in_flight: int
    """Deliveries that are not settled."""
    effected: int
    dead_lettered: int | None
    """In the queues named for it, by the last census; None where there are none, or none was taken."""
    faults: Sequence[tuple[str, str]]
    """Each fault with `armed`, `striking` or `fired`."""
    settling: bool


def live_line(glance: Glance, width: int) -> str:
    """Return the line, in at most `width` characters of ASCII: each is one column wide on every terminal."""
    facts = [
        f"{glance.published:,} published",
        f"{glance.in_flight:,} in flight",
        f"{glance.effected:,} effected",
    ]
    if glance.dead_lettered is not None:
        facts.append(f"{glance.dead_lettered:,} dead-lettered")
    parts = [", ".join(facts)]
    parts += [f"{fault} {state}" for fault, state in glance.faults[:_FAULTS]]
    if len(glance.faults) > _FAULTS:
        parts.append(f"{len(glance.faults) - _FAULTS:,} faults more")
    if glance.settling:
        parts.append("settling")
    return cut(printable("; ".join(parts)).encode("ascii", "replace").decode("ascii"), width)
