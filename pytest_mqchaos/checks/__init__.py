"""The checks: one file per finding, each a pure function of the case. Composition is data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from pytest_mqchaos.checks import (
    acked_before_effect,
    blind,
    corrupted,
    dead_letter_false_positive,
    dead_letter_miss,
    duplicated,
    failover_miss,
    illegal_transition,
    late,
    lost,
    overflow,
    persistence_loss,
    poison_effected,
    poison_stuck,
    prefetch_breach,
    redelivered,
    reordered,
    requeue_storm,
    retry_schedule,
    stalled,
    stranded,
    streams,
    unacknowledged,
    unexpected,
    vacuous,
)
from pytest_mqchaos.checks.hazards import HAZARDS
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.findings import Finding, Hazard

__all__ = ["CHECKS", "Check", "judge"]

Check: TypeAlias = Callable[[Case], list[Finding]]

CHECKS: tuple[tuple[str, Check], ...] = (
    ("lost", lost.check),
    ("persistence_loss", persistence_loss.check),
    ("stranded", stranded.check),
    ("duplicated", duplicated.check),
    ("redelivered", redelivered.check),
    ("requeue_storm", requeue_storm.check),
    ("poison_stuck", poison_stuck.check),
    ("unacknowledged", unacknowledged.check),
    ("stalled", stalled.check),
    ("stalled", streams.check),
    ("acked_before_effect", acked_before_effect.check),
    ("poison_effected", poison_effected.check),
    ("dead_letter_miss", dead_letter_miss.check),
    ("dead_letter_false_positive", dead_letter_false_positive.check),
    ("unexpected", unexpected.check),
    ("corrupted", corrupted.check),
    ("illegal_transition", illegal_transition.check),
    ("reordered", reordered.check),
    ("late", late.check),
    ("prefetch_breach", prefetch_breach.check),
    ("failover_miss", failover_miss.check),
    ("retry_schedule", retry_schedule.check),
    ("overflow", overflow.check),
    ("blind", blind.check),
    ("vacuous", vacuous.check),
)
"""Every check by the kind of its findings, in the order of a report."""

_EXPLAINS_UNSETTLED = frozenset(
    {
        "stalled",
        "unacknowledged",
        "requeue_storm",
        "poison_stuck",
        "dead_letter_miss",
        "persistence_loss",
        "lost",
    }
)


_REST_ON_THE_END = frozenset(
    {
        "lost",
        "persistence_loss",
        "stranded",
        "unacknowledged",
        "stalled",
        "acked_before_effect",
        "poison_stuck",
        "dead_letter_miss",
    }
)
"""What a run that was cut short cannot be blamed for."""


_CUT_SHORT = "the test ended, and its event loop with it, before the run was settled"
_AWAIT = "settle while the loop runs: end the test with `await mqchaos.asettle()`"


def judge(case: Case) -> tuple[list[Finding], list[Hazard]]:
    """Run every check. One that raises becomes a finding that cannot be judged, with its error."""
    findings: list[Finding] = []
    for kind, check in CHECKS:
        try:
            findings += check(case)
        except Exception as error:
            findings.append(_failed(case, kind, error))
    findings = [_judged(case, one) for one in blind.spared(case, streams.judged(case, findings))]
    findings += _unsettled(case, findings)
    hazards: list[Hazard] = []
    own = [one for one in findings if one.detail != blind.PLANTED]
    for kind, hazard in HAZARDS:
        try:
            hazards += hazard(case, own)
        except Exception as error:
            findings.append(_failed(case, kind, error))
    return findings, hazards


def _failed(case: Case, kind: str, error: Exception) -> Finding:
    claim = f"the check itself failed: {type(error).__name__}: {error}"
    return Finding(kind=kind, claim=claim, unknown=True, violation=_any_detail(case, kind))


def _judged(case: Case, finding: Finding) -> Finding:
    if case.interrupted and finding.kind in _REST_ON_THE_END and not finding.unknown:
        finding = _so_far(case, finding)
    counts = case.guarantee.counts(finding.kind, finding.detail) and not finding.information
    return replace(finding, violation=finding.violation or counts)


def _so_far(case: Case, finding: Finding) -> Finding:
    """What is found before a run is settled is not the last word; what the ground did is no consumer's mistake."""
    if case.spoiled:
        claim = f"as far as it was seen before the ground failed: {finding.claim}"
        return replace(finding, unknown=True, claim=claim, cause="", mend="")
    claim = f"so far, for the test ended before the run was settled: {finding.claim}"
    return replace(finding, unknown=True, claim=claim, mend=_AWAIT if case.cut_short else finding.mend)


def _any_detail(case: Case, kind: str) -> bool:
    """Whether the guarantee counts findings of a kind, or some of them."""
    return any(name.split(":")[0] == kind for name in case.guarantee.violations)


def _unsettled(case: Case, findings: list[Finding]) -> list[Finding]:
    """A run that did not settle is never a pass, whatever the checks could not name."""
    if case.cut_short:  # it was cut short by its own end, and nothing else fails it
        return [Finding(kind="stalled", detail="unsettled", claim=_CUT_SHORT, mend=_AWAIT, unknown=True,
                        violation=True)]  # fmt: skip
    if case.spoiled and case.spoiled not in case.unheld.values():
        claim = f"the run could not be settled: {case.spoiled}"
        return [Finding(kind="stalled", detail="unsettled", claim=claim, unknown=True, violation=True)]
    if case.settled or case.interrupted:
        return []
    if any(one.kind in _EXPLAINS_UNSETTLED and not one.information for one in findings):
        return []
    reason = case.ledger.end.reason or "it never became still"
    claim = f"the run did not settle: {reason}"
    return [Finding(kind="stalled", detail="unsettled", claim=claim, unknown=True, violation=True)]
