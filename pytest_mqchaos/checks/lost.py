"""Lost: a confirmed good message without its effect, and no copy of it anywhere."""

from __future__ import annotations

from pytest_mqchaos.checks.answers import Answers
from pytest_mqchaos.checks.causes import end_of_holder, fault_text, listed, strike_near
from pytest_mqchaos.checks.fates import (
    Fate,
    Whereabouts,
    fates,
    last_stop,
    missing,
    own_expiration,
    queue_facts,
)
from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.checks.hands import handed_on, killed_child, who
from pytest_mqchaos.checks.outlets import located, nothing_shows, silent_for
from pytest_mqchaos.checks.said_sent import said_sent, unroutable
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Copy, Delivery, Record
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.names import base_name
from pytest_mqchaos.model.topology import QueueState

__all__ = ["check"]

_NAME_A_SOURCE = (
    "name where the work shows: probe.effect(id) in the consumer or mqchaos.effects(...) in the test; "
    'or evidence="broker" to count an ack as work'
)


def check(case: Case) -> list[Finding]:
    """Find what was lost and by whom; what a broker's stop took away is `persistence_loss`."""
    groups = Groups(case, "lost")
    progress, answers = _Progress(case), Answers(case)
    where: Whereabouts | None = None
    silent: dict[str, Reason] | None = None
    for fate in fates(case):
        where = where or Whereabouts(case)
        silent = nothing_shows(case) if silent is None else silent
        by_consumer = fate.accepted
        if by_consumer and (case.evidence == "unknown" or not fate.record.sourced):
            groups.add(
                Reason(
                    detail="by_consumer",
                    claim="was acknowledged, but whether its work was done cannot be seen: "
                    f"no source of effects is named{'' if fate.record.sourced else ' for its consumer'}",
                    mend=_NAME_A_SOURCE,
                    unknown=True,
                ),
                fate.record.id,
            )
        elif by_consumer and (quiet := silent_for(case, fate.record, silent)) is not None:
            groups.add(_unsure(fate, quiet), fate.record.id)
        elif by_consumer:
            reason = _by_consumer(case, progress, answers, _idle(by_consumer))
            groups.add(_unsure(fate, located(case, fate.record, reason)), fate.record.id)
        elif fate.stop is None:
            groups.add(_unsure(fate, _otherwise(case, where, fate.record)), fate.record.id)
    if any(record.claimed for record in case.ledger.records.values()):
        for record, reason in said_sent(case, where or Whereabouts(case)):
            groups.add(reason, record.id)
    return groups.findings() + (
        [] if last_stop(case) else [_by_count(groups, *each) for each in missing(case)]
    )


def _by_count(groups: Groups, queue: str, count: int) -> Finding:
    """A queue holds fewer than it must, and nobody can say which are gone."""
    claim = f"lost by the broker: `{queue}` holds {count} fewer than it must, and which ones cannot be told"
    return groups.finding(Reason(detail="by_broker", claim=claim), [], count=count)


def _unsure(fate: Fate, reason: Reason) -> Reason:
    if not fate.unsure:
        return reason
    return Reason(
        detail=reason.detail,
        claim=f"has no effect, and whether it is still there cannot be told: {fate.unsure}",
        mend=fate.mend,
        unknown=True,
    )


class _Progress:
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


def _idle(copies: list[Copy]) -> Copy:
    """Return the copy whose consumer showed no work for it: of two queues, one may have been worked on.

    A stage of a pipeline that handed the message on did its part; if all did, the last one is asked.
    """
    copies = [copy for copy in copies if not handed_on(copy)] or copies[-1:]
    for copy in copies:
        worked = copy.record.worked
        if copy.last is not None and not {copy.last.link, base_name(copy.last.link)} & set(worked):
            return copy
    return next(
        (copy for copy in copies if copy.last is not None and copy.last.effect_seen is False), copies[0]
    )


def _by_consumer(case: Case, progress: _Progress, answers: Answers, copy: Copy) -> Reason:
    last = copy.last
    assert last is not None, "an accepted copy was delivered"
    if refusal := answers.refusal(copy.record.id):
        claim = f"lost by {who(case, last)}: the service that it called refused, and it was acknowledged"
        mend = "acknowledge after a good answer; retry what failed for a while"
        return Reason(detail="by_consumer", claim=claim, cause=refusal, mend=mend)
    cause, fault = _what_happened(case, progress, last)
    if copy.settlement == "auto":
        claim = f"lost by {who(case, last)}: read with automatic ack, its work was never done"
        return Reason(detail="by_consumer", claim=claim, cause=cause, fault=fault,
                      mend="switch automatic ack off and acknowledge after the work")  # fmt: skip
    if handed_on(copy, until=last.settled_index or 0):
        claim = f"lost by {who(case, last)}: it published a copy and acknowledged, and the copy is nowhere"
        mend = "acknowledge once the broker has confirmed the copy"
        return Reason(detail="by_consumer", claim=claim, cause=cause, fault=fault, mend=mend)
    claim = f"lost by {who(case, last)}: its ack reached the broker, its work was never done"
    return Reason(
        detail="by_consumer", claim=claim, cause=cause, fault=fault, mend="acknowledge after the work"
    )


def _what_happened(case: Case, progress: _Progress, last: Delivery) -> tuple[str, int | None]:
    """Why the work was not done: its process died, its client threw away what it had read, or nothing at all."""
    child = killed_child(case, last, lambda strike: progress.went_on(last, until=strike.index))
    if child is not None:
        return fault_text(case, child.event.fault), child.event.fault
    if progress.went_on(last):
        return f"no fault explains it: {last.link} went on to later messages", None
    ended = end_of_holder(case, last)
    moments = [] if ended is None else [ended[1].at]
    if last.auto_ack:
        moments += [
            event.at
            for index, event in case.ledger.surroundings.lost_links
            if event.connection == last.connection and index > last.index
        ]
    strikes = [strike for at in moments if (strike := strike_near(case, last.link, at)) is not None]
    if strikes:
        return fault_text(case, strikes[0].event.fault), strikes[0].event.fault
    if ended is not None and ended[1].by == "itself":
        return f"{last.link} ended by itself with exit code {ended[1].exit_code}", None
    return f"no fault explains it: {last.link} acknowledged it and did not work on it", None


def _otherwise(case: Case, where: Whereabouts, record: Record) -> Reason:
    """Attribute a loss that no ack explains."""
    dropped = [copy for copy in record.copies if copy.settlement == "dropped"]
    if len(dropped) > sum(copy.deaths is not None for copy in record.copies):
        return _dropped(case, where, dropped[-1])
    for copy in record.copies:
        if copy.settlement == "auto" and (last := copy.last) is not None:
            strike = strike_near(case, last.link, last.at)
            return Reason(
                detail="in_transit",
                claim="lost in transit: sent with automatic ack, and its connection ended before it arrived",
                cause="" if strike is None else fault_text(case, strike.event.fault),
                fault=None if strike is None else strike.event.fault,
                mend="switch automatic ack off: the broker forgets such a message as soon as it is sent",
            )
    if (reason := unroutable(case, where, record)) is not None:
        return reason
    queue = record.copies[-1].queue if record.copies else record.message.queue
    removed = _removed(case, record, queue)
    if removed is not None:
        return removed
    state = queue_facts(case, queue)
    policy = _expired(case, state, record) or _policy(state, record)
    if policy is not None:
        return policy
    if record.copies:
        last = record.copies[-1].last
        to = "" if last is None else f" to {last.link}"
        claim = f"lost in transit: delivered{to}, never acknowledged, never delivered again"
        return Reason(detail="in_transit", claim=claim)
    place = f"`{queue}`" if queue else "the broker"
    if (link := _careless(case, queue)) is not None:
        return Reason(
            detail="in_transit",
            claim=f"lost in transit: never seen, and {link}, which read `{queue}` with automatic ack, lost "
            "its connection",
            mend="switch automatic ack off: the broker forgets such a message as soon as it is sent",
        )
    return Reason(
        detail="by_broker",
        claim=f"lost by the broker: confirmed, never delivered, and {place} holds it no more",
    )


def _careless(case: Case, queue: str) -> str | None:
    """Return who read a queue with automatic ack and lost a connection: what was on its way then is gone, unseen."""
    around = case.ledger.surroundings
    readers = {event.connection for _, event in around.subscribed if event.auto_ack and event.queue == queue}
    return next((event.link for _, event in around.lost_links if event.connection in readers), None)


def _dropped(case: Case, where: Whereabouts, copy: Copy) -> Reason:
    link = "" if copy.last is None else copy.last.link
    state = queue_facts(case, copy.queue)
    exchange = None if state is None else state.dead_letter_exchange
    if exchange is None:
        claim = f"lost by policy: rejected by {link}, and `{copy.queue}` has no dead-letter exchange"
        mend = f"give `{copy.queue}` a dead-letter exchange, or requeue what can be tried again"
        return Reason(detail="by_policy", claim=claim, mend=mend)
    targets = where.roles.targets(copy.queue)
    if not targets:
        claim = f"lost by policy: rejected by {link}, and dead letters of `{copy.queue}` reached no queue"
        mend = f"bind a queue to the dead-letter exchange {exchange!r}"
        return Reason(detail="by_policy", claim=claim, mend=mend)
    at = copy.since if copy.last is None or copy.last.settled_at is None else copy.last.settled_at
    strike = strike_near(case, "broker", at)
    return Reason(
        detail="by_broker",
        claim=f"lost by the broker: rejected by {link}, and its dead letter never came to {listed(targets)}",
        cause="" if strike is None else fault_text(case, strike.event.fault),
        fault=None if strike is None else strike.event.fault,
        mend="dead-letter at least once (quorum queues: x-dead-letter-strategy=at-least-once, and with it "
        "x-overflow=reject-publish, without which the broker ignores it)",
    )


def _removed(case: Case, record: Record, queue: str) -> Reason | None:
    """A queue that a consumer emptied, or that went with it."""
    around = case.ledger.surroundings
    begin = record.publications[0].index if record.publications else 0
    for verb, found in (("purged", around.purged), ("deleted", around.deleted)):
        for index, event in found:
            if index > begin and event.queue == queue:
                claim = f"lost by the consumer: {event.link} {verb} `{queue}`"
                return Reason(
                    detail="by_consumer", claim=claim, mend=f"do not have {event.link} empty `{queue}`"
                )
    return None


def _expired(case: Case, state: QueueState | None, record: Record) -> Reason | None:
    """Its own time to live, where that was over before the end."""
    own = own_expiration(record)
    sent = [one.at for one in (*record.publications, *record.republications)]
    if own is None or not sent or case.ledger.end.at - min(sent) < own * 1e9:
        return None
    nowhere = (
        "" if state is None or state.dead_letter_exchange is not None else " and is dead-lettered nowhere"
    )
    where = "its queue" if state is None else f"`{state.name}`"
    return Reason(
        detail="by_policy",
        claim=f"lost by policy: its own expiration of {own:g} s was over{nowhere}",
        mend=f"give {where} a dead-letter queue, or publish it with a longer expiration",
    )


def _policy(state: QueueState | None, record: Record) -> Reason | None:
    """A limit of the queue that may have taken a message away."""
    if state is None:
        return None
    returns = sum(bool(one.returned) for copy in record.copies for one in copy.deliveries)
    why, nowhere = (
        "",
        "and dead-letters them nowhere" if state.dead_letter_exchange is None else "and nothing kept them",
    )
    if state.delivery_limit is not None and returns >= state.delivery_limit:
        why = f"`{state.name}` gives messages up after {state.delivery_limit} returns {nowhere}"
    elif state.message_ttl is not None:
        why = f"`{state.name}` drops messages after {state.message_ttl:g} s {nowhere}"
    elif state.max_length is not None or state.max_length_bytes is not None:
        limit = (
            f"{state.max_length} messages"
            if state.max_length is not None
            else f"{state.max_length_bytes} bytes"
        )
        why = f"`{state.name}` holds at most {limit} {nowhere}"
    elif state.expires is not None:
        why = f"`{state.name}` is deleted after {state.expires:g} s without a consumer"
    elif state.exclusive or state.auto_delete:
        word = "exclusive" if state.exclusive else "auto-delete"
        why = f"`{state.name}` is {word} and went with its consumer"
    if not why:
        return None
    return Reason(
        detail="by_policy", claim=f"lost by policy: {why}", mend=f"give `{state.name}` a dead-letter queue"
    )
