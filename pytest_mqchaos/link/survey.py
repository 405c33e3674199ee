"""What clients declare on their links, kept for a broker that cannot be asked; and a use of names that are not ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_mqchaos.model.declared import Declaration, Declared
from pytest_mqchaos.model.names import Names
from pytest_mqchaos.model.topology import Binding
from pytest_mqchaos.wire.amqp import events as wire

__all__ = ["Survey"]

_DEAD_LETTERS = ("x-dead-letter-exchange", "x-dead-letter-routing-key")


class Survey:
    """Notes what is declared on the links of one run.

    Args:
        declared: where it is noted.
        names: the run's names; with a prefix, a queue that others may use too must not be read.
    """

    def __init__(self, declared: Declared, names: Names) -> None:
        self.declared = declared
        self.names = names
        self._handlers: dict[type, Callable[[Any], None]] = {
            wire.QueueDeclared: self._queue,
            wire.QueueDeleted: lambda event: declared.delete("queue", self._plain(event.queue)),
            wire.ExchangeDeclared: self._exchange,
            wire.ExchangeDeleted: lambda event: declared.delete("exchange", self._plain(event.exchange)),
            wire.QueueBound: lambda event: declared.bind(self._to_queue(event)),
            wire.QueueUnbound: lambda event: declared.unbind(self._to_queue(event)),
            wire.ExchangeBound: lambda event: declared.bind(self._to_exchange(event)),
            wire.ExchangeUnbound: lambda event: declared.unbind(self._to_exchange(event)),
        }
        self._plain = names.plain
        self._private: set[str] = set()
        """Queues outside of the prefix that end with whoever declared them."""

    def saw(self, link: str, event: wire.WireEvent) -> None:
        """Take in what a link's connection said."""
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)
        elif isinstance(event, wire.Subscribed | wire.GetRequested):
            self._read(link, event.queue)

    def publishes(self, link: str, exchange: str, routing_key: str) -> None:
        """A consumer publishes a message of the run: it must stay in it."""
        name = exchange or routing_key
        if self.names.outside(name):
            self._breach(f"{link} publishes to {name!r}")
        elif not exchange:
            self._mention(routing_key)

    def _read(self, link: str, queue: str) -> None:
        if self.names.outside(queue) and queue not in self._private:
            self._breach(f"{link} reads {queue!r}")
        self._mention(queue)

    def _breach(self, what: str) -> None:
        prefix = self.names.prefix
        self.declared.breach = self.declared.breach or (
            f"{what}, which has not this run's prefix: on a broker that is shared by prefix, a consumer puts "
            f"$MQCHAOS_PREFIX (here {prefix!r}) before each name; or --mqchaos-isolation=vhost, which needs no prefix"
        )

    def _mention(self, queue: str) -> None:
        self.declared.queue(Declaration(name=self._plain(queue), known=False))

    def _queue(self, event: wire.QueueDeclared) -> None:
        if event.exclusive or event.auto_delete:
            self._private.add(event.queue)
        self.declared.queue(
            Declaration(
                name=self._plain(event.queue),
                durable=event.durable,
                exclusive=event.exclusive,
                auto_delete=event.auto_delete,
                arguments=self._arguments(event.arguments),
                known=not event.passive,
            )
        )

    def _arguments(self, given: Mapping[str, object]) -> dict[str, object]:
        return {
            key: self._plain(value) if key in _DEAD_LETTERS and isinstance(value, str) else value
            for key, value in given.items()
        }

    def _exchange(self, event: wire.ExchangeDeclared) -> None:
        if not event.passive and event.exchange:
            self.declared.exchange(self._plain(event.exchange), event.type)

    def _to_queue(self, event: wire.QueueBound | wire.QueueUnbound) -> Binding:
        return self._binding(event.exchange, event.queue, "queue", event.routing_key)

    def _to_exchange(self, event: wire.ExchangeBound | wire.ExchangeUnbound) -> Binding:
        return self._binding(event.source, event.exchange, "exchange", event.routing_key)

    def _binding(self, exchange: str, destination: str, kind: str, key: str) -> Binding:
        return Binding(
            exchange=self._plain(exchange),
            destination=self._plain(destination),
            kind=kind,
            routing_key=self._plain(key),
        )
