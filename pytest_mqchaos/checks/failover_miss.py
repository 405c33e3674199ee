"""Failover miss: a consumer died with messages in hand, and nobody else got them in time.

```
delivered to A ── A's process ends ──────── bound ───────┐
                        └── delivered to B, or to the process that follows A: taken over
```
The clock stands still while the broker is down, or another fault that lasts keeps everybody away.
"""

from __future__ import annotations

from pytest_mqchaos.checks.causes import end_of_holder, fault_text, strike_near
from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.checks.windows import Window, force
from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Copy, Delivery
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.refinements import Failover

__all__ = ["check"]

_MEND = "run more than one consumer, or have a supervisor start it again in time"


def check(case: Case) -> list[Finding]:
    """Find messages that a dead consumer held and no other process was given within the bound.

    Nothing is looked at unless a failover is promised. What was settled before the death is not held; what left the
    queue another way (a limit, an expiration, a dead letter, a loss) is the matter of other findings.
    """
    terms = case.guarantee.terms(Failover)
    if terms is None:
        return []
    groups = Groups(case, "failover_miss")
    lasting = [one for one in force(case, processes=False) if one.until > one.since]
    bound = round(terms.seconds * 1e9)
    for record in case.ledger.records.values():
        for copy in record.copies:
            for place, held in enumerate(copy.deliveries):
                death = _death(case, held)
                if death is not None and _held_then(case, held, death):
                    due = _due(death[1].at, bound, lasting)
                    reason = _missed(case, copy, place, death[1], due, terms.seconds)
                    if reason is not None:
                        groups.add(reason, record.id)
    return groups.findings()


def _death(case: Case, held: Delivery) -> tuple[int, e.ConsumerEnded] | None:
    """The end of the process that a delivery was handed to, if it came during the run."""
    death = end_of_holder(case, held)
    return None if death is None or death[0] > case.ledger.end.index else death


def _held_then(case: Case, held: Delivery, death: tuple[int, e.ConsumerEnded]) -> bool:
    """Whether a process died with a delivery in hand: not settled, and its connection not replaced by then."""
    if held.auto_ack or held.settled_passed:
        return False
    since = held.returned_index
    if since is None or since > death[0]:
        return True
    opened = case.ledger.surroundings.opened_links
    return held.returned in ("link_lost", "channel_closed") and not any(
        since < index < death[0] and event.link == held.link for index, event in opened
    )


def _due(death: int, bound: int, lasting: list[Window]) -> int:
    """Until when it must be taken over: the bound, and what faults that last took of it."""
    begin = death
    for window in lasting:  # by their beginnings
        if window.since <= begin + bound and window.until > begin:
            begin = window.until
    return begin + bound


def _missed(
    case: Case, copy: Copy, place: int, death: e.ConsumerEnded, due: int, seconds: float
) -> Reason | None:
    held, later = copy.deliveries[place], copy.deliveries[place + 1 :]
    after = next((one for one in later if (one.link, one.incarnation) != (held.link, held.incarnation)), None)
    cause, fault = _cause(case, death)
    claim = f"was in the hands of {held.link} when it died, and"
    if after is not None:
        if after.at <= due:
            return None
        again = after.link == held.link
        took = (
            f"{after.link}{', started again,' if again else ''} did after {(after.at - death.at) / 1e9:.1f} s"
        )
        took = f"{'nobody' if again else 'no other consumer'} got it within {seconds:g} s: {took}"
        return Reason(detail="slow", claim=f"{claim} {took}", cause=cause, fault=fault, mend=_MEND)
    if copy.state != "ready" or _elsewhere(copy):
        return None
    if case.ledger.end.at <= due:
        claim = f"{claim} the run was over before {seconds:g} s were"
        mend = f"give the run more time than that: settle_timeout={2 * seconds:g}"
        return Reason(claim=claim, cause=cause, fault=fault, mend=mend, unknown=True)
    return Reason(
        detail="never", claim=f"{claim} no other consumer got it at all", cause=cause, fault=fault, mend=_MEND
    )


def _elsewhere(copy: Copy) -> bool:
    """Whether its message went on as a dead letter, or rests somewhere."""
    return any(one.deaths != copy.deaths or one.state == "resting" for one in copy.record.copies)


def _cause(case: Case, death: e.ConsumerEnded) -> tuple[str, int | None]:
    strike = strike_near(case, death.consumer, death.at)
    if strike is not None and death.by != "itself":
        return fault_text(case, strike.event.fault), strike.event.fault
    how = "by itself, " if death.by == "itself" else ""
    return f"{death.consumer} ended {how}with exit code {death.exit_code}", None
