"""Which fault explains what was found, in words."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Delivery
from pytest_mqchaos.model.surroundings import Strike

__all__ = ["end_of_connection", "end_of_holder", "fault_text", "listed", "return_cause", "strike_near"]

_NEAR = 15_000_000_000
"""Nanoseconds between a strike and what follows from it: a broker takes seconds to come back."""
_SEEN_FIRST = 1_000_000_000
"""Nanoseconds by which what follows may be seen before the strike itself, or the broker's stop, is recorded."""

_RETURNS = {
    "requeued": "{link} gave it back",
    "recovered": "{link} asked for it again (basic.recover)",
    "channel_closed": "the channel of {link} was closed",
    "cancelled": "the broker cancelled the consumer {link}",
    "link_lost": "{link} lost its connection",
}


def fault_text(case: Case, fault: int | None) -> str:
    """Return a fault as its user wrote it, empty without one."""
    if fault is None:
        return ""
    if 0 <= fault < len(case.faults):
        return str(case.faults[fault])
    fired = (one.event.description for one in case.ledger.surroundings.strikes if one.event.fault == fault)
    return next(fired, f"fault {fault}")


def strike_near(case: Case, link: str, at: int) -> Strike | None:
    """Return the strike on a link, its consumer or the broker that is next to a moment, if any is near.

    One that was in force then, or a moment before, is near however long ago it struck: who stands still for a minute
    is given up on within that minute. What comes later explains nothing.
    """
    found: Strike | None = None
    around = case.ledger.surroundings
    for one in around.strikes:
        closer = found is None or abs(one.event.at - at) < abs(found.event.at - at)
        near = one.event.at - _SEEN_FIRST <= at <= around.until(one) + _NEAR
        if closer and near and one.hits(link) and one.event.changed:
            found = one
    return found


def end_of_holder(case: Case, delivery: Delivery) -> tuple[int, e.ConsumerEnded] | None:
    """Return the end of the process that had a delivery in its hands, if it ended."""
    return case.ledger.surroundings.end_of(delivery.link, delivery.incarnation)


def end_of_connection(case: Case, delivery: Delivery) -> e.LinkLost | None:
    """Return the end of the connection that a delivery came on, if it ended."""
    lost = (one for _, one in case.ledger.surroundings.lost_links)
    return next((one for one in lost if one.connection == delivery.connection), None)


def return_cause(case: Case, delivery: Delivery) -> tuple[str, int | None]:
    """Return in words why a delivery went back to the broker, and the fault that did it."""
    stop = _stop_between(case, delivery)
    if delivery.returned in ("", "requeued", "recovered") and stop is None:
        return _RETURNS.get(delivery.returned, "").format(link=delivery.link), None
    at = delivery.returned_at if delivery.returned_at is not None else (stop.at if stop else delivery.at)
    strike = strike_near(case, delivery.link, at)
    if strike is not None and _can(case, strike, delivery.returned):
        return fault_text(case, strike.event.fault), strike.event.fault
    if stop is not None:
        return f"the broker stopped ({stop.how})", None
    return _RETURNS.get(delivery.returned, "").format(link=delivery.link), None


def _can(case: Case, strike: Strike, returned: str) -> bool:
    """Whether a fault makes a delivery go back like that: only a process that is ended closes its channels itself."""
    number = strike.event.fault
    family = case.faults[number].family if 0 <= number < len(case.faults) else ""
    return returned != "channel_closed" or family != "network"


def _stop_between(case: Case, delivery: Delivery) -> e.BrokerStopped | None:
    """Return the stop of the broker within which a delivery went back to it; one that stands still keeps all it has."""
    back = _taken_back_at(delivery)
    return next(
        (
            one.event
            for one in case.ledger.surroundings.outages
            if one.event.how != "freeze"
            and one.after(delivery.index)
            and (back is None or one.event.at <= back + _SEEN_FIRST)
        ),
        None,
    )


def _taken_back_at(delivery: Delivery) -> int | None:
    """When a delivery was the broker's again: at the latest when the next one of its copy came."""
    if delivery.returned_at is not None or delivery.copy is None:
        return delivery.returned_at
    return next((one.at for one in delivery.copy.deliveries if one.index > delivery.index), None)


def listed(names: Iterable[str], *, most: int = 5) -> str:
    """Return names in backquotes, comma separated, those beyond `most` as a number."""
    every = sorted(names)
    shown = ", ".join(f"`{name}`" for name in every[:most])
    return f"{shown} and {len(every) - most} more" if len(every) > most else shown
