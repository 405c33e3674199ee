"""The names of a run that shares its namespace with others: each begins with the run's prefix.

All of our own code knows plain names (`orders`); at its edges (the wire, declarations, publications, the census)
they become full ones (`mqchaos-k3f9-7a3f1c04d.orders`), and what comes from there becomes plain again. Where a run
has a namespace of its own the prefix is empty, and both are the same.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["Names", "base_name", "service_variable"]

_RESERVED = "amq."
"""Names that a broker gives: its own exchanges, and queues that asked for none."""
_DEAD_LETTER_EXCHANGE = "x-dead-letter-exchange"
_DEAD_LETTER_KEY = "x-dead-letter-routing-key"
_FIELDS = ("queue", "exchange", "routing_key")

_T = TypeVar("_T")


def service_variable(name: str) -> str:
    """Return the variable in which a consumer finds the address of a service that we stand in for."""
    return f"MQCHAOS_{re.sub(r'[^A-Z0-9]', '_', name.upper())}_URL"


def base_name(link: str) -> str:
    """Return the consumer's name of a replica's link: `worker` of `worker#2`."""
    return link.split("#")[0]


@dataclass(frozen=True, slots=True)
class Names:
    """Plain names and full ones."""

    prefix: str = ""

    def full(self, name: str) -> str:
        """Return a name as the broker knows it; the default exchange and the broker's own stay as they are."""
        if not name or name.startswith((_RESERVED, self.prefix)):
            return name
        return self.prefix + name

    def plain(self, name: str) -> str:
        """Return a name as a test knows it."""
        return name.removeprefix(self.prefix)

    def outside(self, name: str) -> bool:
        """Whether a name is one that others may use too."""
        return bool(self.prefix and name) and not name.startswith((_RESERVED, self.prefix))

    def key(self, exchange: str, routing_key: str) -> str:
        """Return a routing key as the broker is to see it: to the default exchange it is a queue's name."""
        return routing_key if exchange else self.full(routing_key)

    def arguments(self, given: dict[str, object]) -> dict[str, object]:
        """Return a queue's arguments with the names in them made full."""
        exchange = given.get(_DEAD_LETTER_EXCHANGE)
        if not self.prefix or not isinstance(exchange, str):
            return given
        made = {**given, _DEAD_LETTER_EXCHANGE: self.full(exchange)}
        if isinstance(key := given.get(_DEAD_LETTER_KEY), str):
            made[_DEAD_LETTER_KEY] = self.key(exchange, key)
        return made

    def plainly(self, fact: _T) -> _T:
        """Return a fact of the wire with plain names."""
        if not self.prefix:
            return fact
        changed = {
            field: self.plain(value)
            for field in _FIELDS
            if isinstance(value := getattr(fact, field, None), str) and value.startswith(self.prefix)
        }
        return dataclasses.replace(fact, **changed) if changed else fact  # type: ignore[type-var]
