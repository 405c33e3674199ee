"""The live line: how far a run is, in one line of a terminal."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_mqchaos.model.printable import cut, printable

__all__ = ["Glance", "live_line"]

_FAULTS = 3
"""Most faults that are told; more are counted."""

_Faults = Sequence[tuple[str, str]]


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
    """Return the line, in at most `width` characters of ASCII: each is one column wide on every terminal.

    Whatever the width, the state of the faults, and whether the run settles, are the last to go.
    """
    line = ""
    for facts, faults in _SHORTER:
        parts = [facts(glance), *faults(glance.faults), *(["settling"] if glance.settling else [])]
        line = printable("; ".join(parts)).encode("ascii", "replace").decode("ascii")
        if len(line) <= width:
            return line
    return cut(line, width)


def _all(glance: Glance) -> str:
    dead = [] if glance.dead_lettered is None else [f"{glance.dead_lettered:,} dead-lettered"]
    facts = [
        f"{glance.published:,} published",
        f"{glance.in_flight:,} in flight",
        f"{glance.effected:,} effected",
    ]
    return ", ".join([*facts, *dead])


def _brief(glance: Glance) -> str:
    dead = [f"{glance.dead_lettered:,} dead-lettered"] if glance.dead_lettered else []
    facts = [f"{glance.effected:,} effected of {glance.published:,}", f"{glance.in_flight:,} in flight"]
    return ", ".join([*facts, *dead])


def _briefest(glance: Glance) -> str:
    return f"{glance.effected:,} effected of {glance.published:,}"


def _described(faults: _Faults) -> list[str]:
    return _told([(fault, state) for fault, state in faults])


def _without_arguments(faults: _Faults) -> list[str]:
    return _told([(_NESTED.sub("(...)", fault), state) for fault, state in faults])


def _named(faults: _Faults) -> list[str]:
    return _told([(fault.partition("(")[0], state) for fault, state in faults])


def _told(faults: _Faults) -> list[str]:
    more = [f"{len(faults) - _FAULTS:,} faults more"] if len(faults) > _FAULTS else []
    return [*(f"{fault} {state}" for fault, state in faults[:_FAULTS]), *more]


def _counted(faults: _Faults) -> list[str]:
    """Return how many faults are in each state, in the order in which faults go through them."""
    counts = {state: sum(each == state for _, each in faults) for state in ("armed", "striking", "fired")}
    told = [
        f"{count:,} {'fault' if count == 1 else 'faults'} {state}" for state, count in counts.items() if count
    ]
    return [", ".join(told)] if told else []


_NESTED = re.compile(r"\(.+\)$", re.DOTALL)
_SHORTER: Sequence[tuple[Callable[[Glance], str], Callable[[_Faults], list[str]]]] = (
    (_all, _described),
    (_all, _without_arguments),
    (_all, _named),
    (_brief, _named),
    (_brief, _counted),
    (_briefest, _counted),
)
"""What is tried, until it fits: the arguments of the faults go first, the states of the faults last."""
