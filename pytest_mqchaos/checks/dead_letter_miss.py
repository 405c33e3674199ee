"""Dead-letter miss: what belongs in the dead-letter queue is not there, or not as it should be."""

from __future__ import annotations

import base64
import json

from pytest_mqchaos.checks.causes import listed
from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.checks.hands import WITH_MANDATORY, led_nowhere
from pytest_mqchaos.checks.overflow import limit
from pytest_mqchaos.checks.poison import Expected, poison
from pytest_mqchaos.checks.whereabouts import ASK, Whereabouts
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Copy, Delivery, Publication, Record
from pytest_mqchaos.model.events import RESTED_BODY, Rested
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.topology import QueueState

__all__ = ["check"]


def check(case: Case) -> list[Finding]:
    """Find poison that was dropped or went astray, and dead letters that arrive nowhere."""
    groups = Groups(case, "dead_letter_miss")
    for one in poison(case):
        if not one.required:
            continue
        reasons = _arrived(case, one) if one.arrived else [_missing(case, one)]
        for reason in reasons:
            if reason is not None:
                groups.add(reason, one.record.id)
    return groups.findings() + _in_transit(case, groups)


def _missing(case: Case, one: Expected) -> Reason | None:
    record = one.record
    if record.most and case.poison == "auto":
        return None  # accepted, and reported as such
    resting = [copy.queue for copy in record.copies if copy.state == "resting"]
    into = listed(one.targets) if one.targets else "any dead-letter queue"
    if resting:
        return Reason(detail="wrong_queue", claim=f"is at rest in {listed(set(resting))}, not in {into}")
    if one.held:
        return None  # stuck, stalled or in transit
    if _perhaps_worked_on(case, record):
        claim = "malformed in a way that may be processed, and acknowledged: whether it was worked on cannot be seen"
        return Reason(detail="perhaps_accepted", claim=claim, information=True)
    unread = [queue for queue in one.targets if isinstance(one.where.room(queue), str)]
    if unread:
        return Reason(detail="dropped", claim=f"is missing, and {one.where.room(unread[0])}", unknown=True)
    if not record.accepted and (unasked := one.where.unasked(record)):
        return Reason(detail="dropped", claim=f"is missing, and {unasked}", mend=ASK, unknown=True)
    if (last := _rejected(record)) is not None:
        return _given_up(one, last, into)
    return _by_ack(case, one, into)


def _perhaps_worked_on(case: Case, record: Record) -> bool:
    """Whether its ack may rightly follow work that does not show: none does, or its key can be read by nobody."""
    if case.poison != "auto" or not record.message.debatable or not record.accepted:
        return False
    return case.evidence != "effects" or not record.message.key_legible


def _rejected(record: Record) -> Delivery | None:
    """The last delivery of a copy that a consumer gave up, if none was acknowledged."""
    if record.accepted:
        return None
    dropped = [copy.last for copy in record.copies if copy.settlement == "dropped"]
    return dropped[-1] if dropped else None


def _given_up(one: Expected, last: Delivery, into: str) -> Reason:
    """Why what a consumer rejected, as it should, is not there: it was too much, or it led nowhere."""
    rejected = f"is missing in {into}: rejected by {last.link}"
    for state in (one.where.roles.queues.get(queue) for queue in sorted(one.targets)):
        if state is not None and _full(one, state):
            # A limit that refuses instead of dropping refuses dead letters too, and nobody is told.
            mend = f"raise the limit of `{state.name}`"
            claim = f"{rejected}, and too much for `{state.name}`"
            return Reason(detail="dropped", claim=claim, cause=limit(state), mend=mend)
    claim = f"{rejected}, and its dead letter reached no queue"
    state = one.where.roles.queues.get(last.queue)
    if not one.targets or state is None:
        return Reason(detail="dropped", claim=claim, mend=_mend(one))
    exchange = state.dead_letter_exchange
    if exchange is None:
        mend = f"give `{state.name}` a dead-letter exchange that leads to {into}"
    elif not one.where.roles.targets(state.name):
        mend = f"bind {into} to the dead-letter exchange {exchange!r}"
    else:
        mend = "dead-letter at least once (quorum queues: x-dead-letter-strategy=at-least-once)"
    return Reason(detail="dropped", claim=claim, mend=mend)


def _full(one: Expected, state: QueueState) -> bool:
    """Whether a limit of a queue may have taken a dead letter away: it is full in the end, or was while it was read."""
    read = state.name in one.where.roles.read
    if state.max_length is not None and (read or state.messages >= state.max_length):
        return True
    return state.max_length_bytes is not None


def _by_ack(case: Case, one: Expected, into: str) -> Reason:
    """Why what a consumer acknowledged is not there: it published it to no queue, or not at all."""
    accepted = [copy for copy in one.record.copies if copy.settlement in ("acked", "auto")]
    claim, mend, cause = f"is missing in {into}, and no queue holds it", _mend(one), ""
    if accepted and (last := accepted[-1].last) is not None:
        how = "read with automatic ack" if last.auto_ack else "acknowledged"
        claim = f"is missing in {into}: {how} by {last.link} and gone"
        if way := led_nowhere(case, accepted[-1]):
            cause, mend = f"{last.link} published it to {way}", WITH_MANDATORY
    return Reason(detail="dropped", claim=claim, mend=mend, cause=cause)


def _mend(one: Expected) -> str:
    if not one.targets:
        return 'name the queue that the application uses: mqchaos.dead_letters("..."), or expect poison="discard"'
    if not one.record.accepted:
        return ""  # nobody acknowledged it
    return "reject without requeue what cannot be processed, instead of acknowledging it"


def _arrived(case: Case, one: Expected) -> list[Reason | None]:
    record = one.record
    return [
        *(_wrong_reason(one, copy) for copy in one.arrived),
        *(_altered(case, one, copy) for copy in one.arrived),
        _twice(one),
        Reason(detail="effected_too", claim="is in the dead-letter queue, and it had an effect too")
        if record.most and case.poison != "auto"
        else None,
    ]


def _wrong_reason(one: Expected, copy: Copy) -> Reason | None:
    if copy.death_reason not in ("expired", "maxlen") or copy.death_queue not in one.where.roles.work:
        return None
    why = "it expired" if copy.death_reason == "expired" else "its queue was full"
    claim = f"is in `{copy.queue}` because {why} in `{copy.death_queue}`, not because it was rejected"
    return Reason(detail="wrong_reason", claim=claim)


def _altered(case: Case, one: Expected, copy: Copy) -> Reason | None:
    digests = (
        {copy.digest} - {None}
        if copy.state == "resting"
        else {each.digest for each in copy.deliveries} - {None}
    )
    if not digests - {one.record.message.digest}:
        return None
    own = bool(one.record.republications)
    whose = "the application's own copy" if own else "a copy"
    claim = f"is in `{copy.queue}` as {whose} with another body"
    if own and case.poison == "dead-letter" and _gone_from(case, copy):
        mend = "put the message's own body into what is published there, as it was"
        return Reason(detail="altered", claim=f"{claim}, and its own is not in there", mend=mend)
    return Reason(detail="altered", claim=claim, information=own)


def _gone_from(case: Case, copy: Copy) -> bool:
    """Whether the body of a message is nowhere in what rests instead of it, written in any of the usual ways.

    Of a large one only the beginning is kept, and what stands behind that nobody knows.
    """
    resting = next(
        (
            one.body
            for one in case.events
            if isinstance(one, Rested) and (one.message, one.queue) == (copy.record.id, copy.queue)
        ),
        b"",
    )
    body = copy.record.message.body
    text = json.dumps(body.decode(errors="replace"))[1:-1].encode()
    forms = (
        body,
        text,
        base64.b64encode(body).rstrip(b"="),
        base64.urlsafe_b64encode(body).rstrip(b"="),
        body.hex().encode(),
    )
    return 0 < len(resting) < RESTED_BODY and not any(form in resting for form in forms)


def _twice(one: Expected) -> Reason | None:
    """More dead letters than copies. Redeliveries that a fault explains make an honest consumer do that."""
    if len(one.arrived) <= max(1, sum(_ends(one, sent) for sent in one.record.publications if sent.passed)):
        return None
    again = any(len(copy.deliveries) > 1 for copy in one.record.copies if copy.queue not in one.targets)
    claim = f"is in {listed({copy.queue for copy in one.arrived})} {len(one.arrived)} times"
    return Reason(detail="twice", claim=claim, information=again)


def _ends(one: Expected, sent: Publication) -> int:
    """How many dead letters one publication may become: a fan-out copies it, before or after it is refused."""
    roles = one.where.roles
    queues = set(roles.leads_to(sent.exchange, sent.routing_key))
    if sent.exchange and not roles.topology.complete:
        own = {queue for each in one.record.republications for queue in _led(one, each)}
        queues |= {copy.queue for copy in one.record.copies if copy.deaths is None} - one.targets - own
    return sum(max(1, len(roles.dead_letter_targets(queue) & one.targets)) for queue in queues)


def _led(one: Expected, sent: Publication) -> frozenset[str]:
    """Where a publication of the application's led to, as far as is known."""
    return one.where.roles.leads_to(sent.exchange, sent.routing_key)


def _in_transit(case: Case, groups: Groups) -> list[Finding]:
    """Dead letters, good or bad, that their queue still keeps because no queue takes them."""
    where = Whereabouts(case)
    found = []
    for state in where.roles.queues.values():
        names = [
            record.id
            for record in (case.ledger.records.values() if state.transit else ())
            for _ in range(where.passing(record, state.name))
        ]
        if names:
            claim = f"is in dead-letter transit: no queue takes the dead letters of `{state.name}`"
            mend = f"bind a queue to the dead-letter exchange {state.dead_letter_exchange!r}"
            reason = Reason(detail="no_target", claim=claim, mend=mend)
            # Of more than it keeps some have gone on, unseen.
            named = names if len(names) <= state.transit else []
            found.append(groups.finding(reason, named, count=min(state.transit, len(names))))
    return found
