"""Poison effected: a message that cannot be processed had an effect."""

from __future__ import annotations

from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.findings import Finding

__all__ = ["check"]


def check(case: Case) -> list[Finding]:
    """Find poison with an effect. Under `auto` it is information: a consumer may treat bodies as opaque."""
    groups = Groups(case, "poison_effected")
    accepted = case.poison == "auto"
    for record in case.ledger.records.values():
        if record.good or not record.effects:
            continue
        if accepted:
            claim = "malformed and accepted: it had an effect"
            groups.add(Reason(detail="accepted", claim=claim, information=True), record.id)
        else:
            claim = f"poison, and it had an effect, though the test expects {case.poison}"
            groups.add(Reason(claim=claim, mend="check a message before its work"), record.id)
    return groups.findings()
