"""RabbitMQ's answers as plain values: queue states with their settings in force, and topologies.

Arguments and policy are joined as RabbitMQ does it: for limits and times the smaller of the two holds, for
everything else the argument. What the broker says of its own state (a quorum queue's delivery limit, which
is 20 on 4.x where nobody set one) wins over both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_mqchaos.model.topology import ArgumentValue, Binding, QueueState, Topology

__all__ = ["queue_state", "topology"]

_MILLISECONDS = 1000.0


def queue_state(answer: Mapping[str, Any]) -> QueueState:
    """One queue of the census."""
    arguments: Mapping[str, ArgumentValue] = answer["arguments"]
    policy: Mapping[str, ArgumentValue] = answer["policy"]
    limit = answer["limit"] if answer["limit"] is not None else _smaller(arguments, policy, "delivery-limit")
    return QueueState(
        name=answer["name"],
        type=answer["type"],
        durable=answer["durable"],
        exclusive=answer["exclusive"],
        auto_delete=answer["auto_delete"],
        ready=answer["ready"],
        unacknowledged=answer["unacknowledged"],
        transit=answer["transit"],
        consumers=answer["consumers"],
        arguments=arguments,
        policy=policy,
        exact=answer["exact"],
        dead_letter_exchange=_text(arguments, policy, "dead-letter-exchange"),
        dead_letter_routing_key=_text(arguments, policy, "dead-letter-routing-key"),
        message_ttl=_seconds(arguments, policy, "message-ttl"),
        expires=_seconds(arguments, policy, "expires"),
        max_length=_smaller(arguments, policy, "max-length"),
        max_length_bytes=_smaller(arguments, policy, "max-length-bytes"),
        delivery_limit=limit if answer["type"] == "quorum" and limit is not None and limit >= 0 else None,
        overflow=_text(arguments, policy, "overflow"),
    )


def topology(answer: Mapping[str, Any]) -> Topology:
    """The exchanges and bindings of a namespace."""
    return Topology(
        exchanges=answer["exchanges"],
        bindings=tuple(sorted((Binding(**one) for one in answer["bindings"]), key=_order)),
    )


def _order(binding: Binding) -> tuple[str, str, str, str]:
    return (binding.exchange, binding.kind, binding.destination, binding.routing_key)


def _text(arguments: Mapping[str, Any], policy: Mapping[str, Any], name: str) -> str | None:
    value = arguments.get(f"x-{name}", policy.get(name))
    return None if value is None else str(value)


def _smaller(arguments: Mapping[str, Any], policy: Mapping[str, Any], name: str) -> int | None:
    values = [v for v in (arguments.get(f"x-{name}"), policy.get(name)) if isinstance(v, int)]
    return min(values, default=None)


def _seconds(arguments: Mapping[str, Any], policy: Mapping[str, Any], name: str) -> float | None:
    value = _smaller(arguments, policy, name)
    return None if value is None else value / _MILLISECONDS
