"""Loading definitions into the namespace of a run: policies first, so that they are in force from the start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_mqchaos.brokers.rabbitmq.declare import Declarer
from pytest_mqchaos.brokers.rabbitmq.definitions import Definitions
from pytest_mqchaos.model.topology import Binding

__all__ = ["load"]


def load(
    found: Definitions, declarer: Declarer, set_policy: Callable[[Mapping[str, Any]], object], *, call: str
) -> None:
    """Make what the definitions say.

    Args:
        found: the definitions.
        declarer: of the run.
        set_policy: sets one policy.
        call: what to begin an error with.

    Raises:
        ChaosError: if the broker refuses something, with its reason.
    """
    __tracebackhide__ = True
    for policy in found.policies:
        set_policy(policy)
    for one in found.exchanges:
        declarer.make_exchange(
            f"{call}: exchange {one['name']!r}",
            str(one["name"]),
            str(one.get("type", "direct")),
            durable=bool(one.get("durable", True)),
            auto_delete=bool(one.get("auto_delete", False)),
            internal=bool(one.get("internal", False)),
            arguments=dict(one.get("arguments") or {}),
        )
    for one in found.queues:
        declarer.make_queue(
            f"{call}: queue {one['name']!r}",
            str(one["name"]),
            durable=bool(one.get("durable", True)),
            auto_delete=bool(one.get("auto_delete", False)),
            arguments=dict(one["arguments"]),
        )
    for one in found.bindings:
        declarer.bind(
            f"{call}: {one.get('destination_type', 'queue')} {one.get('destination')!r}",
            Binding(
                exchange=str(one["source"]),
                destination=str(one.get("destination", "")),
                kind="exchange" if one.get("destination_type") == "exchange" else "queue",
                routing_key=str(one.get("routing_key", "")),
                arguments=dict(one.get("arguments") or {}),
            ),
        )
