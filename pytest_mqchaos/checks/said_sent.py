"""What a publisher lost: a message that it said it sent, and that the broker never took responsibility for."""

from __future__ import annotations

from pytest_mqchaos.checks.causes import fault_text, strike_near
from pytest_mqchaos.checks.fates import done, queue_facts
from pytest_mqchaos.checks.grouping import Reason
from pytest_mqchaos.checks.whereabouts import Whereabouts
from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Record
from pytest_mqchaos.model.surroundings import Strike

__all__ = ["said_sent", "unroutable"]

_CONFIRM = "use publisher confirms, and call a message sent once the broker has confirmed it"


def said_sent(case: Case, where: Whereabouts) -> list[tuple[Record, Reason]]:
    """Return every message that a producer said it sent and that is nowhere, with why.

    What was confirmed, or taken by a consumer, was sent: whoever lost that, its publisher did not.
    """
    claims = {event.message: event for event in case.events if isinstance(event, e.Claimed)}
    found = []
    for name, claim in claims.items():
        record = case.ledger.records.get(name)
        if record is None or record.owed or done(case, record, where):
            continue
        rooms = [where.room(queue) for queue in sorted(where.possible(record))]
        if where.census is None:
            rooms = ["no census was taken"]
        if any(room is True for room in rooms):
            continue
        reason = _reason(case, record, claim)
        doubt = next((room for room in rooms if isinstance(room, str)), "")
        if doubt:
            claimed = f"was said to be sent, and whether it is there cannot be told: {doubt}"
            reason = Reason(detail="by_publisher", claim=claimed, unknown=True)
        found.append((record, reason))
    return found


def _strike(case: Case, claim: e.Claimed) -> Strike | None:
    """Return the strike at which it was called sent, or at which the process or connection ended that still had it."""
    around, name = case.ledger.surroundings, claim.producer
    ends = (one.at for _, one in around.ends if one.consumer == name and one.at >= claim.at)
    cuts = (one.at for _, one in around.lost_links if one.link == name and one.at >= claim.at)
    moments = (claim.at, next(ends, None), next(cuts, None))
    near = (strike_near(case, name, at) for at in moments if at is not None)
    return next((one for one in near if one is not None), None)


def _reason(case: Case, record: Record, claim: e.Claimed) -> Reason:
    said = f"lost by the publisher: {claim.producer} said that it was sent"
    strike = _strike(case, claim)
    cause, fault = (
        ("", None) if strike is None else (fault_text(case, strike.event.fault), strike.event.fault)
    )
    if not record.publications and strike is not None:
        return Reason(
            detail="by_publisher", claim=f"{said}, and it was never seen on its link", cause=cause, fault=fault,
            mend=_CONFIRM)  # fmt: skip
    if not record.publications:
        return Reason(
            detail="by_publisher", claim=f"{said}, and it never left the process",
            mend="send what is buffered before the end of the process, and call it sent afterwards")  # fmt: skip
    if record.returned:
        return Reason(
            detail="by_publisher", claim=f"{said}, and the broker returned it: no queue took it",
            mend="take basic.return for a failure")  # fmt: skip
    if record.nacked:
        return Reason(
            detail="by_publisher", claim=f"{said}, and the broker refused it (basic.nack)",
            mend="publish again what the broker refuses")  # fmt: skip
    if record.message.confirm:
        claim_text = f"{said} before the broker confirmed it, and it is nowhere"
    else:
        claim_text = f"{said}, without confirms, and it never came to the broker"
    return Reason(detail="by_publisher", claim=claim_text, cause=cause, fault=fault, mend=_CONFIRM)


def unroutable(case: Case, where: Whereabouts, record: Record) -> Reason | None:
    """Why a confirmed message is nowhere, where no queue took it and the broker was not to say so."""
    message = record.message
    if message.mandatory or record.copies:
        return None
    routes = {(one.exchange, one.routing_key) for one in record.publications if one.passed}
    leads = {queue for route in routes for queue in where.roles.leads_to(*route)}
    leads |= {
        queue for one in case.ledger.censuses for route in routes for queue in one.topology.leads_to(*route)
    }
    if any(queue_facts(case, queue) is not None for queue in leads) or not where.roles.topology.complete:
        return None
    place = f"exchange {message.exchange!r}" if message.exchange else f"queue {message.queue!r}"
    if not message.producer:
        key = f" with routing key {message.routing_key!r}" if message.exchange else ""
        return Reason(
            detail="by_publisher",
            claim=f"lost by the publisher: {place}{key} led to no queue, so the broker confirmed it and threw it away",
            mend="bind a queue with that key, or publish with mandatory=True, which the broker answers by a return",
        )
    return Reason(
        detail="by_publisher",
        claim=f"lost by the publisher: {place} led to no queue, so the broker confirmed it and threw it away",
        mend="publish with mandatory=True, and take basic.return for a failure",
    )
