"""Corrupted: a copy of the workload whose body, or what its publisher said of it, is not what was published."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Record
from pytest_mqchaos.model.findings import Finding

__all__ = ["check"]


@dataclass(frozen=True, slots=True)
class _Seen:
    """One time that a message was seen."""

    place: str
    digest: str | None
    """Of its body, None where nobody read it."""
    altered: tuple[str, ...]
    identified_by: str


def check(case: Case) -> list[Finding]:
    """Find changed bodies and headers. What the application published itself may differ, and is information."""
    groups = Groups(case, "corrupted")
    for record in case.ledger.records.values():
        for seen in _seen(record):
            for reason in (_body(record, seen), _headers(record, seen)):
                if reason is not None:
                    groups.add(reason, record.id)
    return groups.findings()


def _seen(record: Record) -> Iterator[_Seen]:
    for one in record.deliveries:
        place = f"delivered from `{one.queue}` to {one.link}"
        yield _Seen(place, one.digest, one.altered, one.identified_by)
    for copy in record.copies:
        if copy.state == "resting" and record.good:
            yield _Seen(f"at rest in `{copy.queue}`", copy.digest, copy.altered, copy.identified_by)


def _body(record: Record, seen: _Seen) -> Reason | None:
    if seen.digest in (None, record.message.digest) or seen.identified_by == "digest":
        return None
    if not record.message.digest or seen.digest in {one.digest for one in record.publications}:
        return None  # a producer's: too large to be read as it was sent, or sent again with another body
    own = {one.digest for one in record.republications}
    if seen.digest in own or None in own:
        return _own_copy(seen, "body")
    return Reason(claim=f"corrupted: its body {seen.place} is not what was published")


def _headers(record: Record, seen: _Seen) -> Reason | None:
    """A copy without our own header was made by a program: brokers drop none."""
    if not seen.altered:
        return None
    own = {one.altered for one in record.republications}
    if seen.altered in own or seen.identified_by != "header":
        return _own_copy(seen, "headers")
    names = ", ".join(seen.altered)
    return Reason(detail="headers", claim=f"corrupted: its {names} {seen.place}: not what was published")


def _own_copy(seen: _Seen, what: str) -> Reason:
    claim = f"its copy {seen.place} is the application's own, with {'another' if what == 'body' else 'other'} {what}"
    return Reason(detail="own_copy", claim=claim, information=True)
