"""What the broker held at the end: each queue by the last census, with what is in force after arguments and policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_mqchaos.model.events import CensusTaken, Event
from pytest_mqchaos.model.topology import QueueState

__all__ = ["Queues"]

_FIELDS = (
    "name",
    "type",
    "durable",
    "exclusive",
    "auto_delete",
    "ready",
    "unacknowledged",
    "transit",
    "consumers",
    "exact",
)
_IN_FORCE = (
    "dead_letter_exchange",
    "dead_letter_routing_key",
    "message_ttl",
    "expires",
    "max_length",
    "max_length_bytes",
    "delivery_limit",
    "overflow",
)


class Queues:
    """Keeps the last census."""

    def __init__(self) -> None:
        self._last: CensusTaken | None = None

    def handlers(self) -> Mapping[type[Event], Callable[[Any], None]]:
        """Return what takes each kind of event in."""
        return {CensusTaken: self._take}

    def _take(self, event: CensusTaken) -> None:
        self._last = event

    def figure(self) -> list[dict[str, Any]]:
        """Return the queues, by name."""
        states = () if self._last is None else self._last.queues
        return [_queue(state) for state in sorted(states, key=lambda state: state.name)]


def _queue(state: QueueState) -> dict[str, Any]:
    in_force = {name: getattr(state, name) for name in _IN_FORCE}
    return {name: getattr(state, name) for name in _FIELDS} | {
        "arguments": dict(state.arguments),
        "in_force": {name: value for name, value in in_force.items() if value is not None},
    }
