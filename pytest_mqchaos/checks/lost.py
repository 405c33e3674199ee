"""Lost: a confirmed good message without its effect, and no copy of it anywhere."""

from __future__ import annotations

from pytest_mqchaos.checks.blame import Blame
from pytest_mqchaos.checks.causes import end_of_connection, fault_text, listed, strike_near
from pytest_mqchaos.checks.fates import Fate, done, fates, last_stop, missing, own_expiration, queue_facts
from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.checks.outlets import located, nothing_shows, silent_for
from pytest_mqchaos.checks.said_sent import said_sent, unroutable
from pytest_mqchaos.checks.whereabouts import Whereabouts
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Copy, Record
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.topology import QueueState

__all__ = ["check"]

_NAME_A_SOURCE = (
    "name where the work shows: probe.effect(id) in the consumer or mqchaos.effects(...) in the test; "
    'or evidence="broker" to count an ack as work'
)


def check(case: Case) -> list[Finding]:
    """Find what was lost and by whom; what a broker's stop took away is `persistence_loss`."""
    groups = Groups(case, "lost")
    where: Whereabouts | None = None
    blame: Blame | None = None
    silent: dict[str, Reason] | None = None
    for fate in fates(case):
        where = where or Whereabouts(case)
        blame = blame or Blame(case, where.roles)
        silent = nothing_shows(case) if silent is None else silent
        partly = done(case, fate.record, where) > 0 and (case.evidence == "broker" or not fate.accepted)
        too_little = _all_accepted(where, fate.record) if partly else []
        by_consumer = fate.accepted or too_little
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
            reason = blame.too_little(too_little) if too_little else blame.of(by_consumer)
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


def _all_accepted(where: Whereabouts, record: Record) -> list[Copy]:
    """Return the copies that consumers took for good, if there were no others of a message: nobody else lost it."""
    taken = [copy for copy in record.copies if copy.settlement in ("acked", "auto")]
    if not all(copy.last is not None and (copy.last.passed or not copy.last.auto_ack) for copy in taken):
        return []
    dropped = [copy for copy in record.copies if copy.settlement == "dropped"]
    arrived = sum(copy.deaths is not None for copy in record.copies)
    every = len(taken) + len(dropped) == len(record.copies) and len(dropped) <= arrived
    return taken if every and not _never_delivered(where, record) else []


def _never_delivered(where: Whereabouts, record: Record) -> list[str]:
    """Queues where a message was to be worked on, and from where it never came."""
    return sorted(where.unseen(record) & (where.roles.work | where.roles.waiting_rooms))


def _otherwise(case: Case, where: Whereabouts, record: Record) -> Reason:
    """Attribute a loss that no ack explains."""
    dropped = [copy for copy in record.copies if copy.settlement == "dropped"]
    if len(dropped) > sum(copy.deaths is not None for copy in record.copies):
        return _dropped(case, where, dropped[-1])
    for copy in record.copies:
        if copy.settlement == "auto" and (last := copy.last) is not None:
            cut = end_of_connection(case, last)
            strike = strike_near(case, last.link, last.at if cut is None else cut.at)
            return Reason(
                detail="in_transit",
                claim="lost in transit: sent with automatic ack, and its connection ended before it arrived",
                cause="" if strike is None else fault_text(case, strike.event.fault),
                fault=None if strike is None else strike.event.fault,
                mend="switch automatic ack off: the broker forgets such a message as soon as it is sent",
            )
    if (reason := unroutable(case, where, record)) is not None:
        return reason
    left = [copy for copy in record.copies if copy.settlement not in ("acked", "auto", "dropped")]
    elsewhere = "" if left or not record.copies else next(iter(_never_delivered(where, record)), "")
    last_of = left or record.copies
    queue = elsewhere or (last_of[-1].queue if last_of else record.message.queue)
    removed = _removed(case, record, queue)
    if removed is not None:
        return removed
    state = queue_facts(case, queue)
    policy = _expired(case, state, record) or _policy(state, record)
    if policy is not None:
        return policy
    if last_of and not elsewhere:
        last = last_of[-1].last
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
    from_there = f" from {place}, which" if elsewhere else f", and {place}"
    return Reason(
        detail="by_broker",
        claim=f"lost by the broker: confirmed, never delivered{from_there} holds it no more",
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
