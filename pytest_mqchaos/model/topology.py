"""What a broker holds and where its messages lead: the plain values of the census.

A census is one `QueueState` per queue; a `Topology` says which exchange leads to which queue, so that a
dead-letter path can be followed without knowing the broker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["ArgumentValue", "Binding", "QueueState", "Topology"]

ArgumentValue = str | int | float | bool | None | list["ArgumentValue"] | dict[str, "ArgumentValue"]
"""A value of a queue's or binding's arguments, as JSON has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """One queue at one moment: one consistent answer of the process that owns it.

    `ready`, `unacknowledged` and `transit` count messages; `transit` are those the queue still keeps though
    it is done with them (in dead-letter transit) or not yet again (delayed retry of RabbitMQ 4.3). The
    settings below `policy` are what is in force after arguments and policy were joined; times are seconds.
    `exact` is False where the owner did not answer, or the counts moved while they were read: what rests on
    them is then unknown, and `doubt` says why where there is more to say. `settings_known` is False where nobody
    could ask for the queue's policies: it may have a dead-letter exchange or a limit that is not named here.
    """

    name: str
    type: str
    durable: bool = True
    exclusive: bool = False
    auto_delete: bool = False
    ready: int = 0
    unacknowledged: int = 0
    transit: int = 0
    consumers: int = 0
    arguments: Mapping[str, ArgumentValue] = field(default_factory=dict)
    policy: Mapping[str, ArgumentValue] = field(default_factory=dict)
    exact: bool = False
    dead_letter_exchange: str | None = None
    dead_letter_routing_key: str | None = None
    message_ttl: float | None = None
    expires: float | None = None
    max_length: int | None = None
    max_length_bytes: int | None = None
    delivery_limit: int | None = None
    overflow: str | None = None
    doubt: str = ""
    settings_known: bool = True

    @property
    def stream(self) -> bool:
        """Whether it keeps what was read from it: no count of it says what is left to do."""
        return self.type == "stream"

    @property
    def messages(self) -> int:
        """All messages the queue holds: ready, unacknowledged and in dead-letter transit."""
        return self.ready + self.unacknowledged + self.transit


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One way out of an exchange: to a queue or to another exchange (`kind`)."""

    exchange: str
    destination: str
    kind: str
    routing_key: str
    arguments: Mapping[str, ArgumentValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """The exchanges of a namespace (name to type) and every binding, the default exchange's included.

    `complete` is False where the broker could not be asked: then these are the ones that were seen to be made.
    """

    exchanges: Mapping[str, str] = field(default_factory=dict)
    bindings: tuple[Binding, ...] = ()
    complete: bool = True

    def leads_to(self, exchange: str, routing_key: str) -> frozenset[str]:
        """Names of the queues that a message with this routing key may reach through this exchange.

        Exact for the default, direct, fanout and topic exchanges; of a headers or any other exchange every
        binding counts, since the headers are not known here. Exchange-to-exchange bindings are followed.
        """
        reached: set[str] = set()
        seen = {exchange}
        waiting = [exchange]
        while waiting:
            name = waiting.pop()
            for binding in self.bindings:
                if binding.exchange != name or not self._matches(binding, routing_key):
                    continue
                if binding.kind == "queue":
                    reached.add(binding.destination)
                elif binding.destination not in seen:
                    seen.add(binding.destination)
                    waiting.append(binding.destination)
        return frozenset(reached)

    def _matches(self, binding: Binding, routing_key: str) -> bool:
        kind = "direct" if binding.exchange == "" else self.exchanges.get(binding.exchange, "headers")
        if kind == "direct":
            return binding.routing_key == routing_key
        if kind == "topic":
            return _topic_matches(binding.routing_key.split("."), routing_key.split("."))
        return True


def _topic_matches(pattern: list[str], words: list[str]) -> bool:
    """Whether a topic pattern (`*` one word, `#` any number) covers the words of a routing key."""
    reachable = {0}
    for part in pattern:
        if part == "#":
            reachable = set(range(min(reachable), len(words) + 1)) if reachable else set()
        else:
            reachable = {i + 1 for i in reachable if i < len(words) and part in ("*", words[i])}
    return len(words) in reachable
