"""What a consumer was at around the ack of a message whose work was never done: what it published, what cut it off."""

from __future__ import annotations

from pytest_mqchaos.checks.causes import end_of_connection, return_cause, strike_near
from pytest_mqchaos.checks.grouping import Reason
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Copy, Delivery, Publication
from pytest_mqchaos.model.names import base_name
from pytest_mqchaos.model.roles import Roles
from pytest_mqchaos.model.surroundings import Strike

__all__ = ["MARKED_FIRST", "cut_behind", "cut_short_before", "eaten", "expired"]

MARKED_FIRST = "note a message as done together with its work, in one transaction, and not before it"
"""What mends a consumer that takes for done what a try before had only begun."""


def cut_behind(case: Case, last: Delivery) -> Strike | None:
    """Return the strike that took the connection away right behind an ack: what was to be sent then died with it.

    Nothing was settled on that connection afterwards, so this is what its consumer was at.
    """
    settled = last.settled_index
    if settled is None or last.effect_seen or last.auto_ack:
        return None
    cut = end_of_connection(case, last)
    if cut is None or cut.by == "client":
        return None
    later = any(
        one.settled_passed and (one.settled_index or 0) > settled for one in _of_connection(case, last)
    )
    return None if later else strike_near(case, last.link, cut.at)


def cut_short_before(case: Case, copy: Copy) -> tuple[str, int] | None:
    """Return the fault that ended an earlier try of what a later one acknowledged and did not work on, in words.

    What was only prefetched then was no try: a consumer works on the oldest of what it has in hand.
    """
    for one in reversed(copy.record.deliveries):
        if one.returned not in ("link_lost", "channel_closed") or one.effect_seen or one.settlement:
            continue
        if any(other.index < one.index and not other.settlement for other in _of_connection(case, one)):
            continue
        words, fault = return_cause(case, one)
        if fault is not None:
            return words, fault
    return None


def _of_connection(case: Case, delivery: Delivery) -> list[Delivery]:
    """The deliveries of one connection."""
    return [
        one
        for record in case.ledger.records.values()
        for one in record.deliveries
        if one.connection == delivery.connection
    ]


def eaten(copy: Copy) -> Publication | None:
    """Return what a consumer published of a message behind its ack, if all of that died on its way."""
    last = copy.last
    if last is None or last.settled_index is None:
        return None
    own = [
        one
        for one in copy.record.republications
        if one.index > last.index and base_name(one.link) == base_name(last.link)
    ]
    behind = [one for one in own if one.index > last.settled_index]
    return behind[-1] if behind and not any(one.passed for one in own) else None


def expired(copy: Copy, roles: Roles) -> Reason | None:
    """Return why a copy that was published before the ack is gone, if its queue lets it expire and leads nowhere.

    A copy has the message's own body: what tells of its work, and may rightly expire, has another.
    """
    record = copy.record
    until = 0 if copy.last is None else copy.last.settled_index or 0
    for one in reversed(record.republications):
        if not one.passed or one.digest != record.message.digest or one.index > until:
            continue
        for name in sorted(roles.leads_to(one.exchange, one.routing_key) - roles.work):
            state = roles.queues.get(name)
            if state is None or state.dead_letter_exchange is not None:
                continue
            if state.message_ttl is not None or one.expiration is not None:
                what = f"{one.link} published it to `{name}` and acknowledged; there it expired, and that has no "
                return Reason(
                    detail="by_policy",
                    claim=f"lost by policy: {what}dead-letter exchange",
                    mend=f"give `{name}` a dead-letter exchange that leads back to where it is worked on",
                )
    return None
