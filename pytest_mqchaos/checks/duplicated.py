"""Duplicated: more effects for one message than expected. Deliveries do not count, only effects."""

from __future__ import annotations

from dataclasses import replace

from pytest_mqchaos.checks.causes import listed, return_cause
from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.checks.hands import published_again
from pytest_mqchaos.checks.outlets import overfull
from pytest_mqchaos.checks.whereabouts import Whereabouts
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Delivery, Record
from pytest_mqchaos.model.findings import Finding

__all__ = ["check"]

_MEND = "make the work idempotent: remember the ids that were worked on, in one transaction with the work"


def check(case: Case) -> list[Finding]:
    """Find doubled work. At most once means: no more often than it was published."""
    groups = Groups(case, "duplicated")
    if case.evidence == "unknown":
        return _unknown(case, groups)
    relaxed = _may_be_lost(case)
    for record in case.ledger.records.values():
        if record.good and record.most > record.message.expect:
            reason = replace(_reason(case, record, relaxed=relaxed), source=overfull(case, record))
            groups.add(reason, record.id)
    for link in _at_work(case):
        groups.add(_not_back(link))
    return groups.findings()


def _at_work(case: Case) -> list[str]:
    """Consumers that live and may still be at work for what went to somebody else.

    In the end all are ended, but for those in the test's own process.
    """
    if case.evidence != "effects" or not case.guarantee.counts("duplicated"):
        return []
    living = {one.name for one in case.consumers if one.alive and (one.inside or not case.final)}
    return sorted(case.ledger.absent() & living)


def _not_back(link: str) -> Reason:
    return Reason(
        detail="not_back",
        claim=f"{link} lost its connection with deliveries in hand and has not come back: it may still be at work, "
        "and do again what others have done",
        mend="connect again after a lost connection, and subscribe again",
        unknown=True,
    )


def _may_be_lost(case: Case) -> bool:
    """Whether the guarantee is at-most-once: it counts work against publications and forgives a crashed broker."""
    return not case.guarantee.counts("lost")


def _reason(case: Case, record: Record, *, relaxed: bool) -> Reason:
    times = _times(case, record)
    again = _again(record)
    if record.passed > 1 and record.most <= record.message.expect * record.passed:
        cause, fault = _repeats(case)
        return Reason(detail="by_publisher", claim=f"{times}: it was published {record.passed} times", cause=cause,
                      fault=fault, mend=_MEND, information=relaxed)  # fmt: skip
    crashed = again is not None and _forgotten(case, again)
    if again is not None:
        cause, fault = return_cause(case, again)
        return Reason(
            detail="by_broker" if crashed else "by_redelivery",
            claim=f"{times}: {_why(again, crashed=crashed)}",
            cause=cause,
            fault=fault,
            mend=_MEND,
            information=relaxed and crashed,
        )
    queues = {one.queue for one in record.deliveries}
    if len(queues) > 1:
        mend = f"if each of {listed(queues)} should work on it, publish with expect={len(queues)}"
        return Reason(detail="by_copies", claim=f"{times}: it stood in {len(queues)} queues", mend=mend)
    if record.republications and published_again(case, record, Whereabouts(case).roles):
        return Reason(detail="by_copies", claim=f"{times}: the application published it again", mend=_MEND)
    return Reason(detail="by_consumer", claim=f"{times}, though delivered once", mend=_MEND)


def _times(case: Case, record: Record) -> str:
    """How often it was worked on, in words; of a fan-out by whom."""
    if record.shares:
        each = [f"{count} times by {name}" for name, count in record.shares.items() if count > 1]
        return f"worked on {' and '.join(each)}, expected once by each of {listed(set(record.shares))}"
    where = overfull(case, record)
    return f"worked on {record.most} times, expected {record.message.expect}{where and f' (in `{where}`)'}"


def _repeats(case: Case) -> tuple[str, int | None]:
    """The fault that had messages published again, in words and by its number."""
    faults = [number for number, fault in enumerate(case.faults) if fault.kind == "repeated_publish"]
    return (str(case.faults[faults[0]]), faults[0]) if faults else ("", None)


def _why(again: Delivery, *, crashed: bool) -> str:
    """Why it was delivered again after its work."""
    if crashed:
        return "the broker forgot its ack"
    if again.returned in ("requeued", "recovered"):
        return "it was given back after its work"
    return "its first ack never reached the broker"


def _again(record: Record) -> Delivery | None:
    """The delivery that another one followed: of the copy that was delivered most often."""
    most = max(record.copies, key=lambda copy: len(copy.deliveries), default=None)
    if most is None or len(most.deliveries) < 2:
        return None
    answered = [one for one in most.deliveries[:-1] if one.settlement == "acked"]
    return answered[0] if answered else most.deliveries[-2]


def _forgotten(case: Case, delivery: Delivery) -> bool:
    """Whether an ack that reached the broker came to nothing because the broker was killed."""
    settled = delivery.settled_index
    if not delivery.settled_passed or settled is None:
        return False
    return any(
        one.after(settled) and one.event.how in ("crash", "itself")
        for one in case.ledger.surroundings.outages
    )


def _unknown(case: Case, groups: Groups) -> list[Finding]:
    """Without effects nobody can say whether what was delivered twice was worked on twice."""
    for record in case.ledger.records.values():
        read = sum(one.passed for one in record.deliveries)
        allowed = max(record.message.expect, 1) * max(record.passed, 1)
        if record.good and read > allowed:
            groups.add(
                Reason(
                    claim="was delivered more than once, but whether it was worked on twice cannot be seen: "
                    "no source of effects is named",
                    mend="name where the work shows: probe.effect(id) in the consumer or mqchaos.effects(...)",
                    unknown=True,
                ),
                record.id,
            )
    return groups.findings()
