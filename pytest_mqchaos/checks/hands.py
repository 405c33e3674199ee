"""In whose hands a message was: a stage that handed it on, a child that was killed."""

from __future__ import annotations

from collections.abc import Callable

from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Copy, Delivery, Publication, Record
from pytest_mqchaos.model.names import base_name
from pytest_mqchaos.model.roles import Roles
from pytest_mqchaos.model.surroundings import Strike

__all__ = [
    "WITH_MANDATORY",
    "killed_child",
    "led_nowhere",
    "moved_on",
    "only_handed_on",
    "published_again",
    "who",
]

WITH_MANDATORY = "publish to a queue that is there, with mandatory=True, and take basic.return for a failure"
"""What mends a consumer that hands a message on to where nothing is."""


def who(case: Case, delivery: Delivery) -> str:
    """Return whom a loss is put down to: of several consumers the one that had it, by its name."""
    several = len({base_name(one.name) for one in case.consumers}) > 1
    return base_name(delivery.link) if several else "the consumer"


def moved_on(case: Case, copy: Copy, roles: Roles, *, until: int | None = None) -> bool:
    """Whether a consumer that had a copy published another one to be worked on: a next stage's, or a later retry.

    An event that tells of its work moves nothing on.

    Args:
        case: the run.
        copy: what it had, perhaps more than once.
        roles: what each queue is for.
        until: the number of the event before which it has to be.
    """
    return _copies(case, copy.record, _published(copy, until), roles)


def published_again(case: Case, record: Record, roles: Roles) -> bool:
    """Whether the application published a copy of a message to be worked on."""
    return _copies(case, record, [one for one in record.republications if one.passed], roles)


def _copies(case: Case, record: Record, published: list[Publication], roles: Roles) -> bool:
    """Whether some of these publications lead to where the message is to be worked on, or came nowhere at all.

    An event in a queue that nobody of the run reads, or that is watched as an outlet, and an answer are no copies.
    """
    astray = 0
    for one in published:
        if not one.exchange and one.routing_key.startswith("amq."):
            continue  # a reply queue, perhaps gone by now, or the broker's own way to one
        leads = roles.leads_to(one.exchange, one.routing_key)
        if leads & (roles.work | roles.waiting_rooms):
            return True
        astray += not leads & roles.queues.keys()
    # The queues of outlets are no part of a census: what came there was seen there.
    return astray > sum(record.effects_from.get(name, 0) for name in _outlets(case))


def _outlets(case: Case) -> list[str]:
    """The sources of effects that are messages which the application publishes."""
    return [name for name, one in case.ledger.sourcing.named.items() if one.kind in ("queue", "exchange")]


def _published(copy: Copy, until: int | None) -> list[Publication]:
    """What the consumers that had a copy published of its message after that."""
    if not copy.deliveries:
        return []
    links = {base_name(one.link) for one in copy.deliveries}
    return [
        one
        for one in copy.record.republications
        if base_name(one.link) in links
        and one.index > copy.deliveries[0].index
        and (until is None or one.index < until)
    ]


def led_nowhere(case: Case, copy: Copy) -> str:
    """Return the way in words on which a consumer published a copy before its ack, if no queue was ever there.

    The queues of outlets are no part of a census: where there are some, nobody knows.
    """
    censuses = case.ledger.censuses
    if _outlets(case) or not all(one.topology.complete for one in censuses):
        return ""
    queues = {
        state.name for one in censuses for state in one.queues
    } | case.ledger.surroundings.declared.keys()
    until = None if copy.last is None else copy.last.settled_index
    for one in reversed(_published(copy, until)):
        if not one.passed:
            continue
        if not one.exchange and not one.routing_key.startswith("amq.") and one.routing_key not in queues:
            return f"`{one.routing_key}`, and there is no such queue"
        if one.exchange and not any(
            each.topology.leads_to(one.exchange, one.routing_key) for each in censuses
        ):
            return (
                f"exchange {one.exchange!r} with routing key {one.routing_key!r}, and no queue is bound there"
            )
    return ""


def only_handed_on(copy: Copy, roles: Roles) -> bool:
    """Whether a consumer took a copy only after it had published another one to be worked on, which nobody has seen.

    What it publishes to where nobody of the run works, an event or an answer, is its work and no copy.
    """
    until = None if copy.last is None else copy.last.settled_index
    if not _published(copy, until or 0):
        return False
    begun = copy.deliveries[0].index
    to_work = roles.work | roles.waiting_rooms
    if not any(
        begun < one.index < (until or 0) and roles.leads_to(one.exchange, one.routing_key) & to_work
        for one in copy.record.republications
    ):
        return False
    return not any(
        other.state == "resting" or (other.deliveries and other.deliveries[0].index > begun)
        for other in copy.record.copies
        if other is not copy
    )


def killed_child(case: Case, delivery: Delivery, went_on: Callable[[Strike], bool]) -> Strike | None:
    """Return the strike that killed a child which may have had a delivery in hand, if there is one.

    Its parent goes on: that later messages were worked on excuses nothing, unless it was before the strike. It may
    have acked before the child began, or when it saw it dead.

    Args:
        case: the run.
        delivery: that was acked, and whose work was not done.
        went_on: whether later messages were worked on before a strike.
    """
    for strike in case.ledger.surroundings.strikes:
        number = strike.event.fault
        of_child = (
            0 <= number < len(case.faults) and dict(case.faults[number].options).get("process") == "child"
        )
        if (
            not (of_child and strike.event.changed and strike.hits(delivery.link))
            or delivery.index > strike.index
        ):
            continue
        settled = delivery.settled_index
        if settled is None or settled > strike.index or not went_on(strike):
            return strike
    return None
