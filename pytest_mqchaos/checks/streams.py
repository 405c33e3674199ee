"""Streams are not judged: they keep what was read, so that neither an ack nor a count says what is left to do.

What a consumer did with their messages shows by its effects, and is judged. What rests on copies is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pytest_mqchaos.checks.causes import listed
from pytest_mqchaos.checks.whereabouts import Whereabouts
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Record
from pytest_mqchaos.model.findings import Finding

__all__ = ["check", "judged"]

_BY_EFFECTS = frozenset({"duplicated", "unexpected", "poison_effected", "corrupted", "vacuous"})
"""Kinds that rest on what was sent and done, not on where a copy is."""
_BY_DESIGN = frozenset({"redelivered", "illegal_transition"})
"""What a stream does whenever two consumers read it, or one reads it again."""


def check(case: Case) -> list[Finding]:
    """Name the streams of a run; without effects nothing else says whether the work was done."""
    streams = Whereabouts(case).streams
    if not streams:
        return []
    verb = "is a stream" if len(streams) == 1 else "are streams"
    claim = (
        f"{listed(streams)} {verb}: what is left to read there is not judged, only what shows as an effect"
    )
    by_effects = case.evidence == "effects"
    return [Finding(kind="stalled", detail="stream", claim=claim, unknown=True, information=by_effects)]


def judged(case: Case, findings: Sequence[Finding]) -> list[Finding]:
    """Return findings, those about messages of a stream as unknown where they rest on copies."""
    if not any(_on_copies(one) for one in findings):
        return list(findings)
    where = Whereabouts(case)
    if not where.streams:
        return list(findings)
    return [_unknown(case, where, one) if _on_copies(one) else one for one in findings]


def _on_copies(finding: Finding) -> bool:
    return bool(finding.messages) and not finding.unknown and finding.kind not in _BY_EFFECTS


def _unknown(case: Case, where: Whereabouts, finding: Finding) -> Finding:
    records = [case.ledger.records[name] for name in finding.messages if name in case.ledger.records]
    met = where.streams & {queue for record in records for queue in _queues(where, record)}
    if not met:
        return finding
    verb = "is a stream" if len(met) == 1 else "are streams"
    claim = f"cannot be judged, for {listed(met)} {verb}: {finding.claim}"
    return replace(
        finding, claim=claim, unknown=True, information=finding.information or finding.kind in _BY_DESIGN
    )


def _queues(where: Whereabouts, record: Record) -> set[str]:
    """Queues that a message was delivered from, or may have been published to."""
    found = {copy.queue for copy in record.copies}
    for one in record.publications:
        found |= where.roles.leads_to(one.exchange, one.routing_key)
    return found
