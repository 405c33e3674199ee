"""Two halves of a census, joined: what queues say is ready, and what the wire says is in hand.

A pure function of both; when to ask again and for how long is `external`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pytest_mqchaos.brokers.rabbitmq.census import queue_state
from pytest_mqchaos.brokers.rabbitmq.counter import Answer
from pytest_mqchaos.model.sight import Held, Sight
from pytest_mqchaos.model.topology import QueueState

__all__ = ["SETTLING", "Joined", "Settings", "join", "with_drift"]

SETTLING = "acknowledgements are on their way"

_DEFAULT_LIMIT = 20
"""Returns after which a quorum queue of RabbitMQ 4 gives a message up where nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is known of a queue besides its counts; `policy` is None where nobody could ask."""

    type: str = ""
    durable: bool = True
    exclusive: bool = False
    auto_delete: bool = False
    arguments: Mapping[str, Any] | None = None
    policy: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """A census, and by queue why it should be taken once more before it counts.

    `queues` are as they are when all waiting was in vain: what was pending is so then, or cannot be told.
    """

    queues: tuple[QueueState, ...]
    pending: Mapping[str, str]

    @property
    def settling(self) -> bool:
        """Whether nothing is pending but acknowledgements, which a quorum queue takes in behind its barrier."""
        return set(self.pending.values()) == {SETTLING}


def join(
    answers: Mapping[str, Answer],
    sight: Sight,
    settings: Mapping[str, Settings],
    *,
    loose: Collection[str] = (),
    major: int = 0,
) -> Joined:
    """Join both halves.

    Args:
        answers: by queue; those that there are not are left out.
        sight: the wire's account, the same before and after the answers.
        settings: by queue.
        loose: queues of which deliveries may be on their way to the wire, for all that is known.
        major: the broker's version.
    """
    queues, pending = [], {}
    for name in sorted(answers):
        known = settings.get(name, Settings())
        state, why = _one(name, answers[name], sight.of(name), known, loose=name in loose, major=major)
        queues.append(state)
        if why:
            pending[name] = why
    return Joined(tuple(queues), pending)


def _one(
    name: str, answer: Answer, held: Held, known: Settings, *, loose: bool, major: int
) -> tuple[QueueState, str]:
    ready = held.coming if answer.locked else answer.ready
    doubt, why = "", ""
    if known.type == "stream":
        doubt = "a stream is not judged"
    elif answer.locked:
        if ready or loose:
            doubt = why = f"it is exclusive, and {ready} messages that lead to it were not seen to come"
    elif answer.late:
        doubt = why = "it took so long to answer that its owner may be away"
    elif answer.consumers > held.consumers:
        more = answer.consumers - held.consumers
        doubt = why = f"{more} of its consumers {'are' if more > 1 else 'is'} not on a link of this run"
    elif answer.consumers < held.consumers:
        doubt = why = f"it counts {answer.consumers} consumers, where {held.consumers} are subscribed"
    elif ready < held.coming:
        why = f"{held.coming - ready} of its messages are not seen anywhere"
        if loose:
            doubt = f"{why}, and a link that reads it does not answer"
    if held.settling and not why:
        why = SETTLING
    limit = _DEFAULT_LIMIT if major >= 4 else None
    state = queue_state(
        {
            "name": name,
            "type": known.type,
            "durable": known.durable,
            "exclusive": known.exclusive,
            "auto_delete": known.auto_delete,
            "arguments": dict(known.arguments or {}),
            "policy": dict(known.policy or {}),
            "ready": ready,
            "unacknowledged": held.in_hand + (held.settling if loose else 0),
            "transit": 0,
            "consumers": answer.consumers if not answer.locked else held.consumers,
            "exact": not doubt,
            "limit": None,
        }
    )
    if state.type == "quorum" and not {"x-delivery-limit", "delivery-limit"} & {
        *state.arguments,
        *state.policy,
    }:
        state = replace(state, delivery_limit=limit)
    keeps = held.coming - ready if _keeps(state) and not answer.locked and not loose else 0
    known_all = known.policy is not None and known.arguments is not None
    return replace(state, doubt=doubt, settings_known=known_all, transit=max(0, keeps)), why


def with_drift(joined: Joined, missing: Mapping[str, int]) -> Joined:
    """Add what dead letters are nowhere yet: pending, and for good only where a queue keeps what nobody takes."""
    if not missing:
        return joined
    queues = tuple(
        replace(state, transit=missing[state.name]) if missing.get(state.name) and _retains(state) else state
        for state in joined.queues
    )
    words = {name: f"{count} of its dead letters have not arrived" for name, count in missing.items()}
    return Joined(queues, {**words, **joined.pending})


def _retains(state: QueueState) -> bool:
    """Whether dead letters stay in a queue until another one has them; only one that refuses beyond its length may."""
    name = "dead-letter-strategy"
    strategy = state.arguments.get(f"x-{name}", state.policy.get(name))
    return state.type == "quorum" and strategy == "at-least-once" and state.overflow == "reject-publish"


def _keeps(state: QueueState) -> bool:
    """Whether a queue keeps what was given back for a while before it is ready (4.3)."""
    return any("delayed-retry" in key for key in (*state.arguments, *state.policy))
