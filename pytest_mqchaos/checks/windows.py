"""When faults were in force: what happens then is held against nobody who promised how soon work is done.

```
strike ──── heal ── first effect after it ── all that was published by then is worked on
└──────────────────────── one window ────────────────────────────────────────────────┘
```
A backlog that a fault left behind is the fault's too. Messages that were never worked on keep no window open.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from pytest_mqchaos.model.case import Case

__all__ = ["Window", "force", "recovered"]


@dataclass(frozen=True, slots=True)
class Window:
    """One time in which a fault was in force, in nanoseconds."""

    since: int
    until: int

    def meets(self, begin: int, end: int) -> bool:
        """Whether it has a moment in common with another time."""
        return begin <= self.until and self.since <= end


def force(case: Case, *, processes: bool = True) -> list[Window]:
    """Return when something was in force: faults from strike to heal, stops of the broker, absences of a process.

    Which faults were when is the rule of `Surroundings.in_force`. Without `processes` what ends processes is left out.
    """
    end = case.ledger.end.at
    found = []
    for strike, until in case.ledger.surroundings.in_force(case.faults, end):
        number = strike.event.fault
        family = case.faults[number].family if 0 <= number < len(case.faults) else ""
        if processes or family != "process":
            found.append(Window(strike.event.at, until))
    for outage in case.ledger.surroundings.outages:
        back = end if outage.until is None else case.events[outage.until].at
        found.append(Window(outage.event.at, back))
    return sorted([*found, *(_absences(case) if processes else ())], key=lambda one: one.since)


def _absences(case: Case) -> list[Window]:
    """From the end of a process that a fault or the test ended to the start of the next."""
    around = case.ledger.surroundings
    found = []
    for index, event in around.ends:
        if index <= case.ledger.end.index and event.by != "itself":
            later = (one.at for at, one in around.starts if at > index and one.consumer == event.consumer)
            found.append(Window(event.at, next(later, event.at)))
    return found


def recovered(case: Case) -> list[Window]:
    """Return the windows of `force`, each prolonged until its backlog was worked off."""
    works = sorted(
        (record.effect_at, record.publications[0].at)
        for record in case.ledger.records.values()
        if record.effect_at is not None and record.publications
    )
    moments = [at for at, _ in works]
    found = []
    for window in force(case):
        place = bisect_left(moments, window.until)
        if place == len(moments):
            found.append(window)
            continue
        resumed = moments[place]
        last = max(at for at, sent in works[place:] if sent <= resumed)
        found.append(Window(window.since, last))
    return found
