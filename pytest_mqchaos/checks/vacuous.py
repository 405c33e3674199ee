"""Vacuous: a fault that was planned did not test anything. The run proves nothing."""

from __future__ import annotations

from pytest_mqchaos.checks import persistence_loss
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.events import Event
from pytest_mqchaos.model.faults import Fault
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.names import base_name
from pytest_mqchaos.model.surroundings import Strike

__all__ = ["check"]


def check(case: Case) -> list[Finding]:
    """Find faults that did not take hold, never struck, changed nothing, or struck with no message to meet.

    That is: when none was on its way, and none came later.
    """
    found = []
    for number, fault in enumerate(case.faults):
        if why := case.unheld.get(number):
            claim = f"{fault} did not take hold, or did not let go"
            found.append(Finding(kind="vacuous", claim=claim, cause=why, fault=number))
            continue
        if case.interrupted:
            continue  # what did not strike yet might have
        strikes = [one for one in case.ledger.surroundings.strikes if one.event.fault == number]
        look = _payload if fault.family == "payload" else _struck
        claim, cause = look(case, fault, strikes)
        if claim:
            found.append(Finding(kind="vacuous", claim=f"{fault} {claim}", cause=cause, fault=number))
    return found


def _payload(case: Case, fault: Fault, strikes: list[Strike]) -> tuple[str, str]:
    if fault.kind == "repeated_publish":
        if any(len(record.publications) > 1 for record in case.ledger.records.values()):
            return "", ""
        return "published no message again", f"{len(case.ledger.records)} messages were published, each once"
    poison = [record for record in case.ledger.records.values() if record.message.poison]
    if strikes or any(record.publications for record in poison):
        return "", ""
    return "published no message", f"{len(case.ledger.records)} messages were published, none of them poison"


def _struck(case: Case, fault: Fault, strikes: list[Strike]) -> tuple[str, str]:
    if not strikes:
        return "never struck", _instead(case, fault)
    felt = [one for one in strikes if case.ledger.surroundings.felt(one)]
    if not felt:
        last = strikes[-1].event
        target = last.target or "no target"
        return (
            f"changed nothing: {target} felt nothing of it",
            last.trigger and f"it struck at {last.trigger}",
        )
    if any(_mattered(case, fault, one) for one in felt) or _cost_something(case, felt[0].event.fault):
        return "", ""
    return "struck when no message was on its way, and none came later", _instead(case, fault)


def _mattered(case: Case, fault: Fault, strike: Strike) -> bool:
    """Whether a message was on its way at the strike, or came later.

    The message that a fault struck at counts where the fault asks whether its work was done by then: a process
    that is killed after its ack, a frame that is taken.
    """
    if strike.moving or case.ledger.traffic > strike.traffic:
        return True
    if strike.unworked and case.evidence == "effects":
        return True
    return strike.event.message is not None and (
        fault.position == "before" or fault.family in ("process", "protocol")
    )


def _cost_something(case: Case, fault: int) -> bool:
    """Whether a stop of the broker took messages away, also those that only waited there: in a delayed retry."""
    return any(one.fault == fault for one in persistence_loss.check(case))


def _instead(case: Case, fault: Fault) -> str:
    """What was seen of what the fault waited for."""
    trigger = fault.trigger
    if trigger is None or trigger.kind == "seconds":
        return ""
    events = {"publish": "Published", "confirm": "Confirmed", "delivery": "Delivered", "ack": "Acked",
              "effect": "Effected", "call": "Called"}  # fmt: skip
    names = {"Nacked", "Rejected"} if trigger.kind == "nack" else {events[trigger.kind]}
    if trigger.by is not None:
        names |= {"publish": {"Republished", "Emitted"}, "confirm": {"OwnConfirmed"}}[trigger.kind]
        by = trigger.by
        count = sum(type(event).__name__ in names and _by(event, by) for event in case.events)
    else:
        found = [
            event
            for event in case.events
            if type(event).__name__ in names and getattr(event, "message", None) in case.messages
        ]
        if trigger.kind == "delivery" and trigger.queue is not None:
            own = sum(getattr(event, "queue", None) == trigger.queue for event in found)
            return (
                f"it waited for {trigger}, and there were {own} from `{trigger.queue}`, {len(found)} in all"
            )
        count = len(found)
    return f"it waited for {trigger}, and there were {count} in all"


def _by(event: Event, name: str) -> bool:
    """Whether an event was seen on a link of that name."""
    link = str(getattr(event, "link", ""))
    return name in (link, base_name(link))
