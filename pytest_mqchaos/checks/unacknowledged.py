"""Unacknowledged: in hand of a consumer at the end, on a channel that is open, and not settled."""

from __future__ import annotations

from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Delivery, Record
from pytest_mqchaos.model.findings import Finding

__all__ = ["check"]


def check(case: Case) -> list[Finding]:
    """Find what consumers kept: `leaked` if its work is done, `zombie` if they stand still, else `hung`."""
    groups = Groups(case, "unacknowledged")
    end = case.ledger.end
    for one in end.open:
        if one.copy is not None:
            groups.add(_reason(case, one, one.copy.record), one.copy.record.id)
    return groups.findings()


def _reason(case: Case, delivery: Delivery, record: Record) -> Reason:
    link, queue = delivery.link, delivery.queue
    if _frozen(case, link):
        claim = f"unacknowledged: {link} stands still, and the broker counts it alive"
        return Reason(detail="zombie", claim=claim, cause=f"{link} is frozen")
    if delivery.settlement:
        claim = f"unacknowledged: {link} settled it, and that never reached the broker"
        return Reason(
            detail="leaked", claim=claim, cause="a fault took its answer, and the channel stayed open"
        )
    if record.effects:
        claim = f"unacknowledged: {link} did its work and never acknowledged it"
        return Reason(
            detail="leaked", claim=claim, mend="acknowledge after the work, on every path out of it"
        )
    waited = (case.ledger.end.at - delivery.at) / 1e9
    claim = (
        f"unacknowledged: in hand of {link} since its delivery from `{queue}`, neither settled nor given back"
    )
    cause = f"its handler never answered (longer than {_rounded(waited)} s)" if waited >= 1 else ""
    mend = "settle on every path: ack after the work, reject or nack when it fails"
    return Reason(detail="hung", claim=claim, cause=cause, mend=mend)


def _rounded(seconds: float) -> int:
    """Whole seconds, in coarse steps above ten: messages that hang alike stand in one finding."""
    whole = int(seconds)
    return whole if whole < 10 else whole // 10 * 10


def _frozen(case: Case, link: str) -> bool:
    if link in case.ledger.surroundings.frozen:
        return True
    return any(consumer.name == link and consumer.frozen for consumer in case.consumers)
