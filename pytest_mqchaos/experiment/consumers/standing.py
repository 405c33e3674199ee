"""How the consumers stand when a run is settled: the verdict rests on that, not on how they ended afterwards."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_mqchaos.consumers.consumer import Consumer
from pytest_mqchaos.model.case import ConsumerFacts

__all__ = ["standing"]


def standing(consumers: Sequence[Consumer]) -> tuple[ConsumerFacts, ...]:
    """Return the facts of every replica of some consumers, as they are now."""
    return tuple(
        ConsumerFacts(
            name=replica.name,
            alive=replica.alive,
            exit_code=replica.exit_code,
            restart=consumer.restart_policy,
            queues=consumer.queues,
            frozen=replica.frozen,
            output=replica.last_words(),
        )
        for consumer in consumers
        for replica in consumer.replicas
    )
