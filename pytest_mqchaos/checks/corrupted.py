"""Corrupted: a copy of the workload whose body is not what was published."""

from __future__ import annotations

from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Record
from pytest_mqchaos.model.findings import Finding

__all__ = ["check"]


def check(case: Case) -> list[Finding]:
    """Find changed bodies. What the application published itself may differ, and is information."""
    groups = Groups(case, "corrupted")
    for record in case.ledger.records.values():
        own = {one.digest for one in record.republications}
        for seen, place in _bodies(record):
            if seen in own or (own and None in own):
                groups.add(Reason(detail="own_copy", claim=f"its copy {place} is the application's own, with another "
                                  "body", information=True), record.id)  # fmt: skip
            else:
                groups.add(Reason(claim=f"corrupted: its body {place} is not what was published"), record.id)
    return groups.findings()


def _bodies(record: Record) -> list[tuple[str, str]]:
    """Digests that differ from the published one, and where they were seen."""
    right = record.message.digest
    found = [
        (one.digest, f"delivered from `{one.queue}` to {one.link}")
        for one in record.deliveries
        if one.digest is not None and one.digest != right and one.identified_by != "digest"
    ]
    found += [
        (copy.digest, f"at rest in `{copy.queue}`")
        for copy in record.copies
        if copy.state == "resting" and record.good and copy.digest is not None and copy.digest != right
    ]
    return found
