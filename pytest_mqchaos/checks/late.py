"""Late: the first effect of a message came later than was promised, and no fault was in force meanwhile."""

from __future__ import annotations

from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.checks.windows import recovered
from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Record
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.refinements import Within

__all__ = ["check"]

_SHOW = "let the work show as it is done: probe.effect(id), or mqchaos.effects(path)"


def check(case: Case) -> list[Finding]:
    """Find late work, from the first publication. Nothing is looked at unless a bound is promised.

    An effect happened in the time from the look that did not find it to the one that did: late is what is late by the
    first, unknown what is late by the second only. By the broker's evidence the ack stands for the work.
    """
    terms = case.guarantee.terms(Within)
    if terms is None:
        return []
    groups = Groups(case, "late")
    if case.evidence == "unknown":
        claim = "how soon the work was done cannot be seen: no source of effects is named"
        groups.add(Reason(claim=claim, mend=_SHOW, unknown=True))
        return groups.findings()
    windows = recovered(case)
    bound = round(terms.seconds * 1e9)
    for record in case.ledger.records.values():
        done = _done(case, record)
        if not record.good or done is None:
            continue
        after, at = done
        assert record.sent is not None, "what was worked on was sent"
        sent = record.sent.at
        if at - sent > bound and not any(one.meets(sent, at) for one in windows):
            sure = after - sent > bound
            groups.add(_late(record, sent, at, terms.seconds) if sure else _perhaps(terms.seconds), record.id)
    return groups.findings()


def _done(case: Case, record: Record) -> tuple[int, int] | None:
    """The moments after which and until which the first work for a message was done, None if it was not."""
    if not any(one.passed for one in record.publications):
        return None
    if case.evidence == "broker":
        acks = [
            one.settled_at for one in record.deliveries
            if one.settlement in ("acked", "auto") and one.settled_at is not None
        ]  # fmt: skip
        return (min(acks), min(acks)) if acks else None
    if record.effect_index is None or record.effect_at is None:
        return None
    effect = case.events[record.effect_index]
    assert isinstance(effect, e.Effected)
    first = next((one.at for one in record.deliveries if one.index < record.effect_index), 0)
    return max(effect.since or 0, first), record.effect_at


def _late(record: Record, sent: int, at: int, seconds: float) -> Reason:
    """Where most of the time went: in the queue, in another try, or in the consumer's hands."""
    index = record.effect_index
    had = [one for one in record.deliveries if index is None or one.index < index]
    claim = f"was worked on more than {seconds:g} s after it was published, outside of the faults"
    if not had:
        return Reason(claim=claim)
    first, who = had[0], had[-1].link
    if 2 * (first.at - sent) > at - sent:
        cause = f"it waited in `{first.queue}` for most of that: its consumers are too slow or too few"
        return Reason(detail="in_queue", claim=claim, cause=cause, mend="add consumers, or make them faster")
    if len(had) > 1:
        cause = f"{who} worked on it in another try only"
        return Reason(
            detail="in_retry", claim=claim, cause=cause, mend="try again sooner, or promise more time"
        )
    cause = f"{who} had it in hand for most of that"
    mend = "prefetch less, so that a message does not wait behind others in a consumer's hands"
    return Reason(detail="in_hand", claim=claim, cause=cause, mend=mend)


def _perhaps(seconds: float) -> Reason:
    claim = (
        f"may have been worked on later than {seconds:g} s after it was published: its effect was seen then"
    )
    return Reason(
        claim=claim, cause="the source of effects was not looked at in between", mend=_SHOW, unknown=True
    )
