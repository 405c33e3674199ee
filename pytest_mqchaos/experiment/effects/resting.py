"""What rests in terminal queues at the end: read out of them into the history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial

from pytest_mqchaos.brokers.rabbitmq.resting import RestingMessage, drain
from pytest_mqchaos.experiment.sharing import Sharing
from pytest_mqchaos.link.identity import Identity
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import History, now
from pytest_mqchaos.model.messages import digest
from pytest_mqchaos.model.names import Names
from pytest_mqchaos.wire.amqp import Properties

__all__ = ["read_resting"]


def read_resting(
    queues: Mapping[str, int], *, url: str, identity: Identity, history: History, sharing: Sharing
) -> None:
    """Take the messages out of some queues, and write down each.

    Args:
        queues: how many are ready in each, by its name.
        url: the broker's own address, past every link.
        identity: knows which message of the workload each is.
        history: where they go.
        sharing: knows the names on the broker, and whether messages of others are among them, which stay there.
    """
    names = sharing.names
    ours = partial(_is_ours, identity) if sharing.queues_shared else None
    nameless: Counter[str] = Counter()
    for name, ready in queues.items():
        if not ready:
            continue
        found, trouble = drain(url, names.full(name), ready, ours=ours)
        for resting in found:
            history.append(_rested(name, resting, identity, names, nameless))
        if trouble:
            history.append(facts.Noted(at=now(), text=f"{name} could not be read: {trouble}"))


def _is_ours(identity: Identity, resting: RestingMessage) -> bool:
    message, _ = identity.of(resting, resting.body, digest(resting.body))
    return message is not None or bool(identity.twins.at_rest(digest(resting.body)))


def _rested(
    queue: str, resting: RestingMessage, identity: Identity, names: Names, nameless: Counter[str]
) -> facts.Rested:
    """Return the fact; `nameless` counts, by digest, the copies that nothing tells from others of their body."""
    body_digest = digest(resting.body)
    message, how = identity.of(resting, resting.body, body_digest)
    if message is None and (twins := identity.twins.at_rest(body_digest)[nameless[body_digest] :]):
        message, how = twins[0], "digest"
        nameless[body_digest] += 1
    told = None if resting.properties is None else Properties(resting.properties)
    altered = () if told is None else identity.contracts.altered(message, told)
    return facts.Rested(
        at=now(),
        message=message,
        queue=queue,
        digest=body_digest,
        deaths=None if told is None else told.deaths,
        death_reason=resting.death_reason,
        death_queue=None if resting.death_queue is None else names.plain(resting.death_queue),
        identified_by=how,
        altered=altered,
        headers=resting.headers,
        body=resting.body[: facts.RESTED_BODY],
    )
