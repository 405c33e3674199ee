"""Overflow: what a queue with a length limit dropped or refused, and whether its dead letters arrived.

```
x-overflow            what is too much           dead-lettered, where an exchange for them is declared
drop-head (default)   the oldest is dropped      yes
reject-publish        the newest is refused      no, whatever is declared
reject-publish-dlx    the newest is refused      yes
```
No guarantee counts it by itself: a message that was confirmed and dropped is `lost:by_policy`, one that rests as a dead
letter a false positive there, and one that was refused is the publisher's, who was told.
"""

from __future__ import annotations

from collections.abc import Iterator

from pytest_mqchaos.checks.fates import fates, own_expiration
from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Record
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.topology import QueueState

__all__ = ["check", "limit"]


def check(case: Case) -> list[Finding]:
    """Find what was too much for a queue. Costs nothing where no queue of the last census has a limit."""
    census = case.ledger.end.census
    states = () if census is None else census.queues
    bounded = {
        one.name: one for one in states if one.max_length is not None or one.max_length_bytes is not None
    }
    if not bounded:
        return []
    groups = Groups(case, "overflow")
    for record in case.ledger.records.values():
        for reason in _seen(case, record, bounded):
            groups.add(reason, record.id)
    for fate in fates(case):
        state = _dropping(case, fate.record, bounded)
        if state is not None and fate.stop is None and not fate.accepted:
            groups.add(_dropped(state, fate.unsure), fate.record.id)
    return groups.findings()


def _seen(case: Case, record: Record, bounded: dict[str, QueueState]) -> Iterator[Reason]:
    """What the broker said: a dead letter with that reason, or a refusal."""
    letters = [one for one in record.copies if one.death_reason == "maxlen" and one.death_queue in bounded]
    for copy in letters:
        state = bounded[copy.death_queue or ""]
        claim = f"was too much for `{state.name}`, and is dead-lettered in `{copy.queue}`"
        yield Reason(detail="dead_lettered", claim=claim, cause=limit(state))
    if not record.nacked or letters:
        return
    for state in (bounded[name] for name in sorted(_targets(case, record) & set(bounded))):
        claim = f"was refused by `{state.name}`"
        if state.overflow == "reject-publish-dlx" and state.dead_letter_exchange is not None:
            yield _astray(state, f"{claim}, and its dead letter arrived nowhere")
        elif (state.overflow or "").startswith("reject-publish"):
            declared = state.dead_letter_exchange is not None
            mend = (
                "reject-publish dead-letters nothing: declare x-overflow reject-publish-dlx"
                if declared
                else ""
            )
            yield Reason(detail="refused", claim=claim, cause=limit(state), mend=mend)


def _targets(case: Case, record: Record) -> set[str]:
    """Queues that a message was published to."""
    roles = case.ledger.roles(dead_letters=case.dead_letters, census=case.ledger.end.census)
    return {queue for one in record.publications for queue in roles.leads_to(one.exchange, one.routing_key)}


def _dropping(case: Case, record: Record, bounded: dict[str, QueueState]) -> QueueState | None:
    """The bounded queue that dropped a message which is nowhere: nothing else took it away there."""
    if own_expiration(record) is not None or any(one.settlement == "dropped" for one in record.copies):
        return None
    names = {one.queue for one in record.copies} or _targets(case, record)
    for name in sorted(names & set(bounded)):
        state = bounded[name]
        if state.message_ttl is None and not (state.overflow or "").startswith("reject-publish"):
            return state
    return None


def _dropped(state: QueueState, unsure: str) -> Reason:
    claim = f"was dropped from `{state.name}`"
    if unsure:
        return Reason(claim=f"may have been dropped from `{state.name}`: {unsure}", unknown=True)
    if state.dead_letter_exchange is not None:
        return _astray(state, f"{claim}, and its dead letter arrived nowhere")
    mend = f"give `{state.name}` a dead-letter exchange, a larger limit, or x-overflow reject-publish"
    return Reason(detail="dropped", claim=claim, cause=limit(state), mend=mend)


def _astray(state: QueueState, claim: str) -> Reason:
    mend = f"bind a queue to the dead-letter exchange {state.dead_letter_exchange!r}"
    return Reason(detail="not_dead_lettered", claim=claim, cause=limit(state), mend=mend)


def limit(state: QueueState) -> str:
    """The limit of a queue in words."""
    what = (
        f"{state.max_length} messages" if state.max_length is not None else f"{state.max_length_bytes} bytes"
    )
    return f"`{state.name}` holds at most {what} ({state.overflow or 'drop-head'})"
