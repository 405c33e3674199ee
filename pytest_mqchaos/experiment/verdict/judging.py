"""From a run's history to its account: which events are judged, by what, and what the test allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from pytest_mqchaos import payloads
from pytest_mqchaos.checks import blind, judge
from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.experiment.run import Run
from pytest_mqchaos.experiment.scalings import scaling_notes
from pytest_mqchaos.experiment.workload.returned import returned_note
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.account import Account
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.events import Event
from pytest_mqchaos.model.guarantees import Guarantee
from pytest_mqchaos.model.ledger import Ledger
from pytest_mqchaos.model.refinements import Ordered

__all__ = ["account_of", "judged_events", "order_rule"]


def judged_events(events: Sequence[Event]) -> list[Event]:
    """Return the events that a verdict rests on: all up to the last settle, and the effects read after it.

    What consumers hand back when they are ended is not the broker's state.
    """
    last = max(
        (i for i, event in enumerate(events) if isinstance(event, facts.SettleEnded)), default=len(events)
    )
    after = [
        e
        for e in events[last + 1 :]
        if isinstance(e, facts.Effected | facts.SourceNamed | facts.Rested | facts.CensusTaken | facts.Noted)
    ]
    return [*events[: last + 1], *after]


def order_rule(guarantee: Guarantee) -> payloads.KeyRule | None:
    """Return how the key is found that a guarantee promises an order by, None if it promises none."""
    terms = guarantee.terms(Ordered)
    return None if terms is None else payloads.KeyRule(terms.by, "ordered")


def account_of(
    run: Run,
    *,
    timings: dict[str, float],
    final: bool,
    guarantee: Guarantee | None = None,
    interrupted: bool = False,
    cut_short: bool = False,
    spoiled: str = "",
) -> Account:
    """Judge what the run's history holds now.

    Args:
        run: the run.
        timings: seconds by phase, for the account.
        final: whether the consumers have ended and the effects were read a last time.
        guarantee: judged by this instead of the test's own.
        interrupted: whether the test failed by itself and nothing was waited for.
        cut_short: whether the end of the test was that of its consumers.
        spoiled: why it could not be settled, where the ground under it failed.
    """
    case = _case_of(run, final=final, guarantee=guarantee or run.test.guarantee)
    case = replace(case, interrupted=interrupted or cut_short, cut_short=cut_short, spoiled=spoiled)
    findings, hazards = judge(case)
    return Account(
        case,
        findings,
        hazards,
        allow=run.test.allow,
        strict=run.test.strict,
        seed=run.test.seed,
        timings=timings,
        again=run.test.again,
        scenario=run.test.scenario.id,
        notes=tuple(event.text for event in case.events if isinstance(event, facts.Noted))
        + returned_note(case.ledger.records.values(), case.events)
        + _shortfalls(case)
        + scaling_notes(run)
        + tuple(note for stand in run.http.values() for note in stand.notes())
        + blind.note(case, findings),
        evidence_view="broker" if case.evidence == "broker" else "effects",
    )


def _shortfalls(case: Case) -> tuple[str, ...]:
    """Return the faults that struck less often than they were to; one that never did is vacuous instead."""
    struck = Counter(one.event.fault for one in case.ledger.surroundings.strikes)
    return tuple(
        f"{fault}: struck {struck[number]} of {fault.times} times"
        for number, fault in enumerate(case.faults)
        if 0 < struck[number] < fault.times
    )


def _case_of(run: Run, *, final: bool, guarantee: Guarantee) -> Case:
    """Everything that a check may know of a run."""
    events = judged_events(run.history.snapshot())
    ends = [event for event in events if isinstance(event, facts.SettleEnded)]
    return Case(
        events=events,
        messages=run.history.messages,
        ledger=Ledger.of(events, run.history.messages),
        faults=tuple(armed.fault for armed in run.injector.armed),
        unheld={
            armed.number: str(armed.error)
            for armed in run.injector.armed
            if armed.error is not None and not isinstance(armed.error, UsageError)
        },
        guarantee=guarantee,
        evidence=run.evidence(),  # type: ignore[arg-type]
        ordered_evidence=run.board.ordered,
        poison=run.test.poison,  # type: ignore[arg-type]
        dead_letters=frozenset(run.dead_letters),
        consumers=run.standing,
        order_keys=_order_keys(run, guarantee),
        settled=bool(ends) and ends[-1].settled,
        planted=run.planting.planted,
        strays=dict(run.board.strays),
        bare=run.board.bare(),
        final=final,
    )


def _order_keys(run: Run, guarantee: Guarantee) -> dict[str, str]:
    rule = order_rule(guarantee)
    return {} if rule is None else {k: v for one in run.publications for k, v in one.keys(rule).items()}
