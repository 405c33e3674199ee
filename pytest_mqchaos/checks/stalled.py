"""Stalled: ready messages remain where a consumer was expected, and nothing moves."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pytest_mqchaos.checks.causes import fault_text, listed, strike_near
from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.checks.whereabouts import Whereabouts
from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.reckoning import Reckoned
from pytest_mqchaos.model.topology import QueueState

__all__ = ["check"]

_DIES = 2
"""So many ends by itself, each followed by a start, make a loop."""
_STUCK_IN_A_LOOP = 10
"""So many repeated deliveries since the last progress are no standstill: a requeue storm or a poison message."""


def check(case: Case) -> list[Finding]:
    """Find queues with ready messages at the end of an unsettled run, and say why nobody takes them."""
    if case.settled:
        return []
    where = Whereabouts(case)
    if where.census is None:
        return [Finding(kind="stalled", claim="what the broker still holds is not known: no census was taken",
                        unknown=True)]  # fmt: skip
    groups = Groups(case, "stalled")
    found = []
    for state in where.census.queues:
        if state.name in where.roles.terminal or state.stream or not state.ready or _moving(case, state.name):
            continue
        named = list(where.end.reckoned.get(state.name, Reckoned()).certain)
        reason = _reason(case, where, state.name, _ready(state, len(named)))
        found.append(groups.finding(reason, named, count=state.ready))
    return found


def _ready(state: QueueState, named: int) -> str:
    """Say how many are ready, and how many of them nobody can name: the count is exact, the wire may not be."""
    text = f"{state.ready} ready in `{state.name}`"
    if named >= state.ready:
        return text
    if not state.exact:
        return f"{text} (not counted exactly)"
    return (
        f"{text} ({state.ready - named} of them cannot be named)"
        if named
        else f"{text} (which ones cannot be told)"
    )


def _moving(case: Case, queue: str) -> bool:
    """Whether the same messages were delivered again and again after the last progress.

    One delivery of each tells nothing: whoever comes back gets all that it had in hand again, and may stop there.
    """
    end = case.ledger.end
    again = 0
    for record in case.ledger.records.values():
        for copy in record.copies:
            if copy.queue == queue:
                since = sum(end.progress_index < one.index <= end.index for one in copy.deliveries)
                again += max(0, since - 1)
    return again >= _STUCK_IN_A_LOOP


def _reason(case: Case, where: Whereabouts, queue: str, ready: str) -> Reason:
    claim = f"stalled: {ready}"
    if queue in where.roles.waiting_rooms:
        wait = where.roles.wait_in(queue)
        how_long = "nothing drives its messages out" if wait is None else f"its messages wait {wait:g} s"
        return Reason(detail="waiting_room", claim=f"{claim}, a waiting room", cause=how_long)
    readers = set(case.ledger.queues_read.get(queue, ()))
    expected = {consumer.name for consumer in case.consumers if queue in consumer.queues}
    subscribed = [one for one in where.end.subscriptions if one.queue == queue]
    if subscribed:
        return _silent(case, claim, queue, {one.link for one in subscribed})
    if not readers:
        return _nobody(case, claim, queue, expected)
    return _gone(case, claim, queue, readers | expected, set(where.end.links.values()))


def _nobody(case: Case, claim: str, queue: str, expected: set[str]) -> Reason:
    """Nobody ever read it: a typo in its name is the commonest bug."""
    read = case.ledger.queues_read
    dead = [one for one in case.consumers if one.name in expected and not one.alive]
    if dead:
        return Reason(
            detail="nobody_consumes",
            claim=f"{claim}, and nobody consumes it",
            cause=_exits(case, dead[0].name),
        )
    cause = f"nobody consumes `{queue}`"
    mend = ""
    if read:
        who = sorted({link for links in read.values() for link in links})
        cause += f"; {', '.join(who)} consumes {listed(read)}"
        similar = difflib.get_close_matches(queue, list(read), n=1)
        mend = f"is `{similar[0]}` a misspelt `{queue}`?" if similar else ""
    return Reason(detail="nobody_consumes", claim=f"{claim}, and nobody consumes it", cause=cause, mend=mend)


def _silent(case: Case, claim: str, queue: str, links: set[str]) -> Reason:
    """It is subscribed, and nothing is delivered any more."""
    held: dict[str, int] = {}
    for one in case.ledger.end.open:
        held[one.link] = held.get(one.link, 0) + 1
    if held:
        words = ", ".join(f"{link} holds {count} unacknowledged" for link, count in sorted(held.items()))
        return Reason(
            detail="behind_unacknowledged", claim=f"{claim}, behind what is unacknowledged", cause=words
        )
    who = ", ".join(sorted(links))
    return Reason(
        detail="silent",
        claim=f"{claim}, and nothing is delivered",
        cause=f"{who} is subscribed and gets nothing",
    )


def _gone(case: Case, claim: str, queue: str, links: set[str], connected: set[str]) -> Reason:
    """Who read it reads it no more: dead, away, or back without subscribing."""
    around = case.ledger.surroundings
    for link in sorted(links):
        if (dying := _dying(case, claim, link)) is not None:
            return dying
        if around.ended(link) or any(one.name == link and not one.alive for one in case.consumers):
            exits = _exits(case, link)
            return _with_fault(case, link, Reason(
                detail="consumer_ended", claim=f"{claim}, and its consumer has ended", cause=exits,
                mend=_supervisor(case, link),
            ))  # fmt: skip
    back = sorted(links & connected)
    if back:
        who = ", ".join(back)
        if (cancelled := _cancelled(case, queue, back)) is not None:
            return Reason(
                detail="not_consuming", claim=f"{claim}, and its consumer does not consume",
                cause=f"the broker cancelled the subscription of {cancelled}, which is connected and consumes nothing",
                mend="subscribe again when the broker cancels (basic.cancel)",
            )  # fmt: skip
        closed = _resubscribed(case, back[0])
        return _with_fault(case, back[0], Reason(
            detail="not_consuming", claim=f"{claim}, and its consumer does not consume",
            cause=f"{who} reconnected and consumes nothing" if closed else f"{who} is connected and consumes nothing",
            mend="subscribe again after each reconnect",
        ))  # fmt: skip
    who = ", ".join(sorted(links))
    return _with_fault(case, sorted(links)[0], Reason(
        detail="not_reconnected", claim=f"{claim}, and its consumer is not connected",
        cause=f"{who} never reconnected", mend="connect again after a lost connection, and subscribe again",
    ))  # fmt: skip


def _dying(case: Case, claim: str, link: str) -> Reason | None:
    """Return why a queue is not read whose consumer dies and is started again and again, if it is that."""
    ends = (event for _, event in case.ledger.surroundings.ends if event.consumer == link)
    died = [event for event in ends if event.by == "itself"]
    if len(died) < _DIES:
        return None
    return Reason(
        detail="consumer_ended",
        claim=f"{claim}, and its consumer dies again and again",
        cause=f"{link} ended by itself {len(died)} times, the last time with exit code {died[-1].exit_code}",
        mend="mend what it dies of: a message that it cannot process comes back each time",
    )


def _cancelled(case: Case, queue: str, links: list[str]) -> str | None:
    """Return whose last subscription to a queue the broker ended, None if it was not the broker."""
    last: dict[str, e.Event] = {}
    for event in case.events:
        of_queue = (
            isinstance(event, e.Subscribed | e.Unsubscribed | e.ConsumerCancelled) and event.queue == queue
        )
        if (
            isinstance(event, e.LinkEvent)
            and event.link in links
            and (of_queue or isinstance(event, e.LinkLost))
        ):
            last[event.link] = event
    return next(
        (link for link, event in sorted(last.items()) if isinstance(event, e.ConsumerCancelled)), None
    )


def _resubscribed(case: Case, link: str) -> bool:
    """Whether the link lost a connection before the one it has."""
    return any(event.link == link for _, event in case.ledger.surroundings.lost_links)


def _exits(case: Case, link: str) -> str:
    last: e.ConsumerEnded | None = None
    for _, event in case.ledger.surroundings.ends:
        if event.consumer == link:
            last = event
    code = (
        last.exit_code
        if last is not None
        else next((one.exit_code for one in case.consumers if one.name == link), None)
    )
    if code is None:
        return f"{link} has ended"
    return f"{link} was killed by signal {-code}" if code < 0 else f"{link} ended with exit code {code}"


def _supervisor(case: Case, link: str) -> str:
    if any(one.name == link and one.restart == "on-fault" for one in case.consumers):
        return f'if a supervisor would start {link} again, say so: mqchaos.consumer(..., restart="always")'
    return ""


def _with_fault(case: Case, link: str, reason: Reason) -> Reason:
    """Name the last fault that took the consumer's connection or process away."""
    moments: Iterable[int] = [
        *(event.at for _, event in case.ledger.surroundings.lost_links if event.link == link),
        *(event.at for _, event in case.ledger.surroundings.ends if event.consumer == link),
    ]
    strike = strike_near(case, link, max(moments, default=-(10**18)))
    if strike is None:
        return reason
    return Reason(
        detail=reason.detail, claim=reason.claim, mend=reason.mend, fault=strike.event.fault,
        cause=f"{reason.cause} after {fault_text(case, strike.event.fault)}",
    )  # fmt: skip
