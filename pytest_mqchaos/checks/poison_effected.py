"""Poison effected: a message that cannot be processed had an effect."""

from __future__ import annotations

from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.findings import Finding

__all__ = ["check"]


def check(case: Case) -> list[Finding]:
    """Find poison with an effect. Under `auto` it is information: a consumer may treat bodies as opaque."""
    groups = Groups(case, "poison_effected")
    found = [one.message for one in case.ledger.records.values() if not one.good and one.most]
    kinds = ", ".join(sorted({message.kind for message in found if message.kind not in ("", "own")}))
    if case.poison == "auto":
        claim = f"malformed{kinds and f' ({kinds})'} and accepted: it had an effect"
        reason = Reason(detail="accepted", claim=claim, information=True)
    else:
        claim = (
            f"poison{kinds and f' ({kinds})'}, and it had an effect, though the test expects {case.poison}"
        )
        reason = Reason(claim=claim, mend="check a message before its work")
    for message in found:
        groups.add(reason, message.id)
    return groups.findings()
