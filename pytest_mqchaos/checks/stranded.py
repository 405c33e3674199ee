"""Stranded: a good message without its effect, at rest in a queue that nobody reads and nobody named."""

from __future__ import annotations

from pytest_mqchaos.checks.fates import done
from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.checks.outlets import nothing_shows
from pytest_mqchaos.checks.whereabouts import Whereabouts
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Copy
from pytest_mqchaos.model.findings import Finding

__all__ = ["check"]


def check(case: Case) -> list[Finding]:
    """Find good messages that were put aside; those in dead-letter queues are false positives instead."""
    groups = Groups(case, "stranded")
    where: Whereabouts | None = None
    silent = next(iter(nothing_shows(case).values()), None)
    for record in case.ledger.records.values():
        resting = [copy for copy in record.copies if copy.state == "resting"]
        if not resting or not record.good:
            continue
        where = where or Whereabouts(case)
        if done(case, record, where) >= record.message.expect:
            continue
        if case.evidence == "unknown" and record.accepted:
            continue  # whether its work was done cannot be seen: `lost` says so
        for copy in resting:
            if copy.queue not in where.roles.dead_letter_queues and copy.death_reason is None:
                groups.add(_reason(copy, silent), record.id)
    return groups.findings()


def _reason(copy: Copy, silent: Reason | None) -> Reason:
    """What it is; where a source of effects shows nothing at all, that is looked at first."""
    queue = copy.queue
    mend = (
        f'if `{queue}` is where the application puts bad messages, name it: mqchaos.dead_letters("{queue}"); '
        f'if it is what the work makes, mqchaos.effects(queue="{queue}")'
    )
    return Reason(
        claim=f"stranded: at rest in `{queue}`, which nobody reads, and its work was never done",
        cause=silent.claim.partition(": ")[2] if silent else "",
        mend=f"{silent.mend}; {mend}" if silent else mend,
    )
