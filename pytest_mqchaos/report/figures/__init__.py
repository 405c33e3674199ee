"""The figures of a run: what its events come to in numbers, for the document, made by pure functions.

```
events ──one pass──► Marks     what happened when, on which lane     timeline
                     Depth     what waited, what was in hand         timeline.depth
                     Crew      processes, connections, shares        consumers
                     Waits     from publish to effect                latency, deliveries, recovery
                     Queues    what the broker held at the end       queues
                     Queueing  arrivals, service, waits              queueing
                     Sharing   whose turn, who had the least        sharing
                     Heartbeats  who heard nothing for how long     heartbeats
ledger ──────────►   Strikes   where each fault struck               faults
                     lifecycle the life as a Markov chain            lifecycle
                     endurance what lasted over stops and ends       endurance
                     pauses    what came again, and how soon         pauses, takeovers
                     order     who kept it, and who did not         order
                     retry     when again, against a policy         retry
                     failover  who took over, against a bound       failover
                     within    how soon, against a promised time    within
                     prefetch  how many in hand, against a promise  prefetch
                     overflow  what a bounded queue could not hold  overflow
                     returns   what no queue took                   returns
```
All times are seconds since the first publish.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from pytest_mqchaos.model.account import Account
from pytest_mqchaos.model.events import Event
from pytest_mqchaos.model.refinements import Retry
from pytest_mqchaos.report.figures.crew import Crew
from pytest_mqchaos.report.figures.depth import Depth
from pytest_mqchaos.report.figures.endurance import endurance
from pytest_mqchaos.report.figures.failover import failover
from pytest_mqchaos.report.figures.heartbeats import Heartbeats
from pytest_mqchaos.report.figures.lifecycle import lifecycle
from pytest_mqchaos.report.figures.marks import Marks
from pytest_mqchaos.report.figures.order import order
from pytest_mqchaos.report.figures.overflow import overflow
from pytest_mqchaos.report.figures.pauses import pauses, takeovers
from pytest_mqchaos.report.figures.prefetch import prefetch
from pytest_mqchaos.report.figures.queueing import Queueing
from pytest_mqchaos.report.figures.queues import Queues
from pytest_mqchaos.report.figures.retry import retry
from pytest_mqchaos.report.figures.returns import returns
from pytest_mqchaos.report.figures.sharing import Sharing
from pytest_mqchaos.report.figures.sources import sources
from pytest_mqchaos.report.figures.standing import Ways
from pytest_mqchaos.report.figures.strikes import Strikes
from pytest_mqchaos.report.figures.waits import Waits
from pytest_mqchaos.report.figures.within import within

__all__ = ["NOTHING", "figures"]

NOTHING: Mapping[str, Any] = {
    "timeline": None,
    "consumers": [],
    "queues": [],
    "queues_left_out": 0,
    "sources": [],
    "latency": None,
    "deliveries": [],
    "strikes": [],
    "lifecycle": None,
    "queueing": None,
    "endurance": None,
    "pauses": [],
    "pauses_left_out": 0,
    "takeovers": [],
    "takeovers_left_out": 0,
    "order": None,
    "sharing": [],
    "within": None,
    "retry": None,
    "failover": None,
    "prefetch": None,
    "overflow": None,
    "returns": None,
    "heartbeats": None,
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
    records, promised = case.ledger.records, case.guarantee.terms(Retry)
    tried = pauses(records.values(), None if promised is None else promised.policy)
    around = case.ledger.surroundings
    in_force = around.in_force(case.faults, case.ledger.end.at)
    strikes = Strikes(account.lives.start, len(account.faults), around, in_force)
    crew = Crew(account.lives.start, case.consumers)
    waits = Waits(account.lives.start, by_effect=case.evidence == "effects" and case.ordered_evidence)
    marks = Marks(account.lives.start)
    depth, queues, sharing = (
        Depth(account.lives.start, Ways(case.events, case.dead_letters)),
        Queues(),
        Sharing(),
    )
    queueing = Queueing(
        account.lives.start,
        by_effect=case.evidence == "effects" and case.ordered_evidence,
        poison={name for name, message in case.messages.items() if message.poison},
    )
    heartbeats = Heartbeats(account.lives.start, case.messages, in_force)
    _pass(case.events, [crew, waits, marks, depth, queues, queueing, sharing, heartbeats])
    moments = [*strikes.moments(), *crew.moments()]
    timeline = marks.timeline(crew.names(), moments)
    timeline["depth"] = depth.figure(timeline)
    return {
        "timeline": timeline,
        "consumers": crew.figure(),
        **_first("queues", queues.figure(), 50),
        "sources": sources(case.ledger),
        "latency": waits.latency(strikes.windows()),
        "deliveries": waits.deliveries(),
        "strikes": strikes.figure(waits.worked, waits.arrived, depth.at_strikes),
        "lifecycle": lifecycle(records.values()),
        "queueing": queueing.figure(strikes.windows(), _left(account)),
        "endurance": endurance(
            records,
            [outage.index for outage in around.outages],
            [each for each in account.findings if each.kind == "persistence_loss"],
            {each.id for each in account.confirmed},
        ),
        **_first("pauses", tried, 20),
        **_first("takeovers", takeovers(records.values(), around, account.lives.start), 20),
        "sharing": sharing.figure(),
        "heartbeats": heartbeats.figure(),
        "retry": retry(case, account.findings, tried),
        **_promised(account),
    }


_NOWHERE = ("lost", "persistence_loss", "overflow")


def _left(account: Account) -> set[str]:
    """Return the messages that no queue holds any more: settled for good, gone, or at rest as dead letters.

    Of a queue that still holds some the ledger cannot tell which those are; a check that could is taken at its word.
    """
    records = account.case.ledger.records.values()
    sure = [each for each in account.findings if each.kind in _NOWHERE and not each.unknown]
    gone = {name for each in sure for name in each.messages}
    return gone | {record.id for record in records if record.terminal or record.accepted}


def _first(name: str, rows: Sequence[Any], most: int) -> dict[str, Any]:
    """Return the first rows of a figure, and how many more there are."""
    return {name: list(rows[:most]), f"{name}_left_out": max(len(rows) - most, 0)}


def _promised(account: Account) -> dict[str, Any]:
    """Return the figures of what a test may promise, or a queue may be declared with: None where it did not."""
    case, findings, start = account.case, account.findings, account.lives.start
    return {
        "order": order(case, findings),
        "within": within(case, findings),
        "failover": failover(case, findings, start),
        "prefetch": prefetch(case, findings, start),
        "overflow": overflow(case, findings),
        "returns": returns(case, start),
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
