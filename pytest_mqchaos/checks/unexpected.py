"""Unexpected: an id of this run that was delivered or effected and never published."""

from __future__ import annotations

import re

from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.messages import is_id

__all__ = ["check"]

_RUN = re.compile(r"-([a-z2-9]{4})-\d{6,}$")


def check(case: Case) -> list[Finding]:
    """Find ids out of nowhere. Ids of other runs are leftovers in an effects file, and foreign."""
    groups = Groups(case, "unexpected")
    runs = {found[1] for name in case.messages if (found := _RUN.search(name))}
    for _, name in case.ledger.strangers:
        if any(is_id(name, run) for run in runs):
            claim = "unexpected: its id is of this run, and no such message was ever published"
            groups.add(Reason(claim=claim), name)
    for record in case.ledger.records.values():
        if not record.publications and (record.most or record.deliveries):
            what = "delivered" if record.deliveries else "worked on"
            groups.add(Reason(claim=f"unexpected: {what}, though it was never published"), record.id)
    return groups.findings()
