"""The figures of a run: what its events come to in numbers, for the document, made by pure functions.

```
events ──one pass──► Marks     what happened when, on which lane     timeline
                     Depth     what waited, what was in hand         timeline.depth
                     Crew      processes, connections, shares        consumers
                     Waits     from publish to effect                latency, deliveries, recovery
                     Strikes   where each fault struck               faults
                     Queues    what the broker held at the end       queues
```
All times are seconds since the first publish.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from pytest_mqchaos.model.account import Account
from pytest_mqchaos.model.events import Event
from pytest_mqchaos.report.figures.crew import Crew
from pytest_mqchaos.report.figures.depth import Depth
from pytest_mqchaos.report.figures.marks import Marks
from pytest_mqchaos.report.figures.queues import Queues
from pytest_mqchaos.report.figures.strikes import Strikes
from pytest_mqchaos.report.figures.waits import Waits

__all__ = ["NOTHING", "figures"]

NOTHING: Mapping[str, Any] = {
    "timeline": None,
    "consumers": [],
    "queues": [],
    "latency": None,
    "deliveries": [],
    "strikes": [],
}
"""The figures of a run that has no account."""


class _Figure(Protocol):
    """One figure: what it does with each kind of event."""

    def handlers(self) -> Mapping[type[Event], Callable[[Any], None]]:
        """Return what takes each kind of event in."""
        ...


def figures(account: Account) -> dict[str, Any]:
    """Return the figures of a run, by the document's names for them."""
    case = account.case
    strikes = Strikes(account.lives.start, len(account.faults))
    crew = Crew(account.lives.start, case.consumers)
    waits = Waits(account.lives.start, by_effect=case.evidence == "effects" and case.ordered_evidence)
    marks = Marks(account.lives.start)
    depth, queues = Depth(account.lives.start, case.dead_letters), Queues()
    _pass(case.events, [strikes, crew, waits, marks, depth, queues])
    moments = [*strikes.moments(), *crew.moments()]
    timeline = marks.timeline(crew.names(), moments)
    timeline["depth"] = depth.figure(timeline)
    return {
        "timeline": timeline,
        "consumers": crew.figure(),
        "queues": queues.figure(),
        "latency": waits.latency(strikes.windows()),
        "deliveries": waits.deliveries(),
        "strikes": strikes.figure(waits.worked, waits.arrived, depth.at_strikes),
    }


def _pass(events: Sequence[Event], made: Sequence[_Figure]) -> None:
    """Hand each event to all that take its kind."""
    takers: dict[type[Event], list[Callable[[Any], None]]] = {}
    for each in made:
        for kind, taker in each.handlers().items():
            takers.setdefault(kind, []).append(taker)
    for event in events:
        for taker in takers.get(type(event), ()):
            taker(event)
