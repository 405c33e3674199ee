"""Strikes on the way to a service, and which message a consumer had in hand then."""

from __future__ import annotations

from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Delivery
from pytest_mqchaos.model.surroundings import Strike

__all__ = ["service_strike"]


def service_strike(case: Case, delivery: Delivery) -> Strike | None:
    """Return the last strike on the way to a service that came while a delivery was in hand, or right before it.

    Who had nothing in hand meets the broken way with the next message that he gets.
    """
    strikes = [
        one
        for one in case.ledger.surroundings.strikes
        if one.event.changed
        and 0 <= one.event.fault < len(case.faults)
        and case.faults[one.event.fault].link is not None
    ]
    if not strikes:
        return None
    own = _own(case, delivery)
    end = _let_go(case, own, delivery)
    before = max((one.index for one in own if one.index < delivery.index), default=-1)

    def met(strike: Strike) -> bool:
        if end is not None and strike.index > end:
            return False
        lasted = case.ledger.surroundings.until(strike) >= delivery.at
        idle = not any(
            one.index < strike.index and (one.settled_index is None or one.settled_index > strike.index)
            for one in own
        )
        return lasted or (idle and before < strike.index)

    return next((one for one in reversed(strikes) if met(one)), None)


def _own(case: Case, delivery: Delivery) -> list[Delivery]:
    """All deliveries of the process that had one."""
    return [
        one
        for record in case.ledger.records.values()
        for one in record.deliveries
        if (one.link, one.incarnation) == (delivery.link, delivery.incarnation)
    ]


def _let_go(case: Case, own: list[Delivery], delivery: Delivery) -> int | None:
    """The number of the event until which a delivery was in hand, None for the end of the run.

    It is its settlement; who acks first works on it until he acks the next one.
    """
    settled = delivery.settled_index
    if settled is None or not (delivery.effect_seen is None or _acks_first(case, own)):
        return settled
    later = [one.settled_index for one in own if one.settled_index is not None]
    return min((index for index in later if index > settled), default=None)


def _acks_first(case: Case, own: list[Delivery]) -> bool:
    """Whether some work of a process came after its ack."""
    for one in own:
        done = None if one.copy is None else one.copy.record.effect_index
        if one.effect_seen is False and done is not None and done > (one.settled_index or 0):
            return True
    return False
