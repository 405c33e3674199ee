"""Whom a loss is put down to, where a consumer took the message for good: which of them, and what had happened to it.

What nobody can know is not stated: where the work of two consumers shows in one place and some of it is missing, it is
`either bill or ship`.
"""

from __future__ import annotations

from dataclasses import replace

from pytest_mqchaos.checks.answers import Answers
from pytest_mqchaos.checks.around_acks import MARKED_FIRST, cut_behind, cut_short_before, eaten, expired
from pytest_mqchaos.checks.causes import (
    end_of_connection,
    end_of_holder,
    fault_text,
    listed,
    strike_near,
)
from pytest_mqchaos.checks.grouping import Reason
from pytest_mqchaos.checks.hands import WITH_MANDATORY, killed_child, led_nowhere, moved_on, who
from pytest_mqchaos.checks.services import service_strike
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Copy, Delivery, Record
from pytest_mqchaos.model.names import base_name
from pytest_mqchaos.model.roles import Roles

__all__ = ["Blame", "Progress", "lived_on"]

_TOLD_APART = (
    'name a source for each of them, mqchaos.effects(..., of="{name}"), to see whose work is missing'
)


class Progress:
    """How far each process got: a crash explains only what came after the last of its effects."""

    def __init__(self, case: Case) -> None:
        self._worked: dict[tuple[str, int], list[tuple[int, int]]] = {}
        """By link and incarnation: the numbers of deliveries and of their effects."""
        for record in case.ledger.records.values():
            for consumer, index in record.worked.items():
                worked = [
                    one
                    for one in record.deliveries
                    if one.index < index and consumer in ("", one.link, base_name(one.link))
                ]
                for one in worked[-1:]:
                    self._worked.setdefault((one.link, one.incarnation), []).append((one.index, index))

    def went_on(self, delivery: Delivery, *, until: int | None = None) -> bool:
        """Whether the process worked on something that it got later, before an event of that number if one is given."""
        worked = self._worked.get((delivery.link, delivery.incarnation), [])
        return any(index > delivery.index and (until is None or done < until) for index, done in worked)


def lived_on(case: Case, progress: Progress, delivery: Delivery) -> bool:
    """Whether the process that had a delivery lived on long enough to work on it, so that nothing but itself kept it.

    Who was ended with the run had all the time that a missing effect is waited for.
    """
    ended = end_of_holder(case, delivery)
    return ended is None or ended[1].by == "plugin" or progress.went_on(delivery)


class Blame:
    """Puts losses of one run down to its consumers."""

    def __init__(self, case: Case, roles: Roles) -> None:
        self._case = case
        self._roles = roles
        self._progress = Progress(case)
        self._answers = Answers(case)

    def of(self, copies: list[Copy]) -> Reason:
        """Return why a message is lost of which consumers took these copies, more than it has effects."""
        idle = self._idle(copies)
        reasons = [self._by_consumer(copy) for copy in idle]
        names = sorted({base_name(copy.last.link) for copy in idle if copy.last is not None})
        if len(names) < 2:
            return reasons[0]
        return self._undecided(idle[0].record, names, reasons)

    def too_little(self, copies: list[Copy]) -> Reason:
        """Return why a message is lost of which these copies are all there were, and that has some of its effects."""
        record, case = copies[0].record, self._case
        expected, queues = record.message.expect, {copy.queue for copy in copies}
        if case.evidence == "broker":
            claim = f"lost by the publisher: it came to {listed(queues)} only, and {expected} were to take it"
            mend = f"bind every queue that is to have it before it is published, or say expect={len(copies)}"
            return Reason(detail="by_publisher", claim=claim, mend=mend)
        last = copies[-1].last
        assert last is not None, "an accepted copy was delivered"
        names = sorted({who(case, copy.last) for copy in copies if copy.last is not None})
        cause, fault = self._what_happened(last)
        return Reason(
            detail="by_consumer",
            claim=f"lost by {_one_of(names)}: acknowledged with {record.effects} of the {expected} effects "
            "that were expected",
            cause=cause,
            fault=fault,
            mend="acknowledge after all of the work",
        )

    def _idle(self, copies: list[Copy]) -> list[Copy]:
        """Return the copies whose consumers showed no work for it: of two queues, one may have been worked on.

        A stage of a pipeline that handed the message on did its part; if all did, the last one is asked. Work that
        shows nobody's name may be that of any of them.
        """
        copies = [copy for copy in copies if not moved_on(self._case, copy, self._roles)] or copies[-1:]
        worked = set(copies[0].record.worked)
        idle = [
            copy
            for copy in copies
            if copy.last is not None and not {copy.last.link, base_name(copy.last.link)} & worked
        ]
        seen = (copy for copy in copies if copy.last is not None and copy.last.effect_seen is False)
        return idle or [next(seen, copies[0])]

    def _undecided(self, record: Record, names: list[str], reasons: list[Reason]) -> Reason:
        """Several consumers took it: all of them left their work undone, or one of them, and nobody knows which."""
        every = record.message.expect - record.effects >= len(reasons)
        whom = " and ".join(names) if every else _one_of(names)
        mend = "acknowledge after the work"
        explained = next((one for one in reasons if one.fault is not None), None)
        cause = "no fault explains it: they acknowledged it and did not work on it"
        if explained is not None:
            cause = explained.cause
        elif not every:
            cause = "no fault explains it, and whose work is missing does not show"
        return Reason(
            detail="by_consumer",
            claim=f"lost by {whom}: its ack reached the broker, its work was never done",
            cause=cause,
            fault=None if explained is None else explained.fault,
            mend=mend if every else f"{mend}; {_TOLD_APART.format(name=names[0])}",
        )

    def _by_consumer(self, copy: Copy) -> Reason:
        case, last = self._case, copy.last
        assert last is not None, "an accepted copy was delivered"
        if refusal := self._answers.refusal(copy.record.id):
            claim = f"lost by {who(case, last)}: the service that it called refused, and it was acknowledged"
            mend = "acknowledge after a good answer; retry what failed for a while"
            return Reason(detail="by_consumer", claim=claim, cause=refusal, mend=mend)
        cause, fault = self._what_happened(last)
        reason = Reason(detail="by_consumer", cause=cause, fault=fault, mend="acknowledge after the work")
        if copy.settlement == "auto":
            claim = f"lost by {who(case, last)}: read with automatic ack, its work was never done"
            mend = "switch automatic ack off and acknowledge after the work"
            return replace(reason, claim=claim, mend=mend)
        if moved_on(case, copy, self._roles, until=last.settled_index or 0):
            claim = (
                f"lost by {who(case, last)}: it published a copy and acknowledged, and the copy is nowhere"
            )
            if way := led_nowhere(case, copy):
                cause = f"it published the copy to {way}"
                return replace(reason, claim=claim, cause=cause, fault=None, mend=WITH_MANDATORY)
            return replace(reason, claim=claim, mend="acknowledge once the broker has confirmed the copy")
        if (policy := expired(copy, self._roles)) is not None:
            return policy
        if (gone := eaten(copy)) is not None:
            strike = strike_near(case, gone.link, gone.at)
            claim = f"lost by {who(case, last)}: acknowledged first, and the copy that it published then never arrived"
            mend = "acknowledge once the broker has confirmed the copy"
            if strike is not None:
                cause, fault = fault_text(case, strike.event.fault), strike.event.fault
            return replace(reason, claim=claim, cause=cause, fault=fault, mend=mend)
        if fault is None and (before := cut_short_before(case, copy)) is not None:
            words, number = before
            claim = f"lost by {who(case, last)}: a try was cut short, and the next one acknowledged it without the work"
            return replace(reason, claim=claim, cause=words, fault=number, mend=MARKED_FIRST)
        claim = f"lost by {who(case, last)}: its ack reached the broker, its work was never done"
        return replace(reason, claim=claim)

    def _what_happened(self, last: Delivery) -> tuple[str, int | None]:
        """Why the work was not done: its process died, its client threw away what it had read, or nothing at all.

        A strike on the way to a service is no excuse for an ack without work, and so never the fault that explains
        it; that it came while the message was in hand is what tells the place in the code.
        """
        case, progress = self._case, self._progress
        child = killed_child(case, last, lambda strike: progress.went_on(last, until=strike.index))
        if child is not None:
            return fault_text(case, child.event.fault), child.event.fault
        behind = cut_behind(case, last)
        if behind is not None:
            return fault_text(case, behind.event.fault), behind.event.fault
        cut = end_of_connection(case, last) if last.auto_ack else None
        lost_with = None if cut is None else strike_near(case, last.link, cut.at)
        if lost_with is not None and not progress.went_on(last, until=lost_with.index):
            return fault_text(case, lost_with.event.fault), lost_with.event.fault
        if progress.went_on(last):
            idle = f"{last.link} went on to later messages"
            return self._near_a_service(last) or f"no fault explains it: {idle}", None
        ended = end_of_holder(case, last)
        strike = lost_with if ended is None else strike_near(case, last.link, ended[1].at) or lost_with
        if strike is not None:
            return fault_text(case, strike.event.fault), strike.event.fault
        if ended is not None and ended[1].by == "itself":
            return f"{last.link} ended by itself with exit code {ended[1].exit_code}", None
        near = self._near_a_service(last)
        return near or f"no fault explains it: {last.link} acknowledged it and did not work on it", None

    def _near_a_service(self, last: Delivery) -> str:
        """Return in words that a service was struck while a message was in hand; empty if none was."""
        strike = service_strike(self._case, last)
        if strike is None:
            return ""
        fault = fault_text(self._case, strike.event.fault)
        return f"after {strike.event.target} was struck ({fault}), {last.link} did not work on it"


def _one_of(names: list[str]) -> str:
    """One of some consumers, and nobody knows which."""
    if len(names) == 2:
        return f"either {names[0]} or {names[1]}"
    return f"one of {', '.join(names)}" if len(names) > 2 else names[0]
