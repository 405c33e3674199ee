"""Illegal transition: what no broker may do."""

from __future__ import annotations

from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.checks.redelivered import excused, unlawful
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.findings import Finding

__all__ = ["check"]

_SETTLED = {"acked": "its ack was processed", "auto": "it was delivered with automatic ack",
            "dropped": "its reject was processed"}  # fmt: skip


def check(case: Case) -> list[Finding]:
    """Find deliveries after a processed settlement, with no broker stop in between, and of what was returned."""
    groups = Groups(case, "illegal_transition")
    for record in case.ledger.records.values():
        for copy in record.copies:
            for clash in copy.conflicts:
                if unlawful(clash) and not excused(case, clash):
                    settled = _SETTLED.get(clash.before.settlement, "it was settled")
                    claim = f"illegal: delivered again to {clash.after.link} after {settled}"
                    groups.add(Reason(detail="settled", claim=claim), record.id)
        unroutable = record.outcome == "returned" and not record.republications
        if unroutable and len(record.publications) == 1 and record.deliveries:
            claim = "illegal: delivered, though the broker had returned it to its publisher"
            groups.add(Reason(detail="returned", claim=claim), record.id)
    return groups.findings()
