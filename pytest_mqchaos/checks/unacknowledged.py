"""Unacknowledged: in hand of a consumer at the end, on a channel that is open, and not settled."""

from __future__ import annotations

from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.checks.rounds import comes_round
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Delivery, Record
from pytest_mqchaos.model.findings import Finding

__all__ = ["check"]


def check(case: Case) -> list[Finding]:
    """Find what consumers kept: `leaked` if its work is done, `zombie` if they stand still, else `hung`."""
    groups = Groups(case, "unacknowledged")
    kept = [one for one in case.ledger.end.open if one.copy is None or not comes_round(case, one.copy)]
    waited: dict[str, float] = {}
    for one in kept:
        age = (case.ledger.end.at - one.at) / 1e9
        waited[one.link] = min(age, waited.get(one.link, age))
    for one in kept:
        if one.copy is not None:
            groups.add(_reason(case, one, one.copy.record, waited[one.link]), one.copy.record.id)
    return groups.findings()


def _reason(case: Case, delivery: Delivery, record: Record, waited: float) -> Reason:
    link = delivery.link
    if _frozen(case, link):
        claim = f"unacknowledged: {link} stands still, and the broker counts it alive"
        return Reason(detail="zombie", claim=claim, cause=f"{link} is frozen")
    if delivery.transactional and delivery.settlement:
        claim = f"unacknowledged: {link} settled it in a transaction that was never committed"
        return Reason(detail="leaked", claim=claim, mend="commit the transaction (tx.commit) after the work")
    if delivery.settlement:
        claim = f"unacknowledged: {link} settled it, and that never reached the broker"
        return Reason(
            detail="leaked", claim=claim, cause="a fault took its answer, and the channel stayed open"
        )
    if record.most:
        claim = f"unacknowledged: {link} did its work and never acknowledged it"
        return Reason(
            detail="leaked", claim=claim, mend="acknowledge after the work, on every path out of it"
        )
    claim = f"unacknowledged: in hand of {link}, neither settled nor given back"
    cause = f"no answer from the handler of {link} for {waited:.0f} s" if waited >= 1 else ""
    mend = "settle on every path: ack after the work, reject or nack when it fails; if it is kept for later, "
    mend += "consumer(holds=seconds) says so"
    return Reason(detail="hung", claim=claim, cause=cause, mend=mend)


def _frozen(case: Case, link: str) -> bool:
    if link in case.ledger.surroundings.frozen:
        return True
    return any(consumer.name == link and consumer.frozen for consumer in case.consumers)
