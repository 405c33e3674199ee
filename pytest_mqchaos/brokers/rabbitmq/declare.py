"""Declaring what a test needs: queues, exchanges, bindings, and a dead-letter queue with all that leads to it.

```
queue("orders", dead_letter="orders.dead"):

 queue orders ──x-dead-letter-exchange──► exchange orders.dead (direct) ──orders.dead──► queue orders.dead (durable)
                x-dead-letter-routing-key = orders.dead
```
A client that declares `orders` too must do it with the same two arguments, else RabbitMQ refuses it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from pytest_mqchaos.brokers.rabbitmq.client import broker_code, parameters, quiet, reason
from pytest_mqchaos.errors import ChaosError, UsageError
from pytest_mqchaos.model.declared import Declaration, Declared
from pytest_mqchaos.model.names import Names
from pytest_mqchaos.model.topology import Binding

__all__ = ["Declarer"]

_EXCHANGE = "x-dead-letter-exchange"
_ALTERNATE = "alternate-exchange"
_ROUTING_KEY = "x-dead-letter-routing-key"


class Declarer:
    """Declares things on one connection, which is opened when it is needed and again when it was lost."""

    def __init__(self, url: str, names: Names | None = None, declared: Declared | None = None) -> None:
        self._url = url
        self._names = names or Names()
        self._declared = declared
        self._connection: Any = None
        self._channel: Any = None

    def declare_queue(
        self,
        name: str,
        *,
        durable: bool = True,
        arguments: Mapping[str, Any] | None = None,
        dead_letter: str | None = None,
        exchange: str | None = None,
        routing_key: str | None = None,
    ) -> None:
        """Declare a queue, with its dead-letter queue and its binding.

        Args:
            name: of the queue.
            durable: whether it survives a restart of the broker.
            arguments: such as `{"x-queue-type": "quorum"}`. Dead-letter arguments that stand here are kept: then
                the exchange is the one named, declared only if it is not there.
            dead_letter: the name of the dead-letter queue; one that exists is taken as it is.
            exchange: an exchange that exists, to bind the queue to.
            routing_key: of that binding; without it there are two, by the queue's name and by the empty key,
                since `publish(exchange=...)` uses the empty one by default.

        Raises:
            UsageError: if an argument is wrong in itself.
            ChaosError: if the broker refuses, with its reason.
        """
        __tracebackhide__ = True
        given = _arguments("queue", name, arguments)
        _checked("queue", name, durable=durable)
        _names("queue", name, dead_letter=dead_letter, exchange=exchange)
        if routing_key is not None and exchange is None:
            raise UsageError(f"queue({name!r}, routing_key={routing_key!r}): a routing key needs exchange=")
        if dead_letter is not None:
            given = self._dead_letter(name, given, dead_letter)
        what = f"queue {name!r}"
        self.make_queue(what, name, durable=durable, arguments=given)
        if exchange is not None:
            for key in (name, "") if routing_key is None else (routing_key,):
                self.bind(what, Binding(exchange=exchange, destination=name, kind="queue", routing_key=key))

    def declare_exchange(
        self,
        name: str,
        type: str = "direct",
        *,
        durable: bool = True,
        auto_delete: bool = False,
        internal: bool = False,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Declare an exchange.

        Raises:
            UsageError: if an argument is wrong in itself.
            ChaosError: if the broker refuses, with its reason.
        """
        __tracebackhide__ = True
        given = _arguments("exchange", name, arguments)
        _checked("exchange", name, durable=durable, auto_delete=auto_delete, internal=internal)
        if not isinstance(type, str) or not type:
            raise UsageError(
                f"exchange({name!r}, type={type!r}): 'direct', 'fanout', 'topic', 'headers', ..."
            )
        self.make_exchange(
            f"exchange {name!r}",
            name,
            type,
            durable=durable,
            auto_delete=auto_delete,
            internal=internal,
            arguments=given,
        )

    def close(self) -> None:
        """Close the connection; it may be called again, and the next declaration opens another."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is None or not connection.is_open:
            return
        import pika.exceptions

        with quiet(), suppress(pika.exceptions.AMQPError, OSError):
            connection.close()

    def _dead_letter(self, name: str, arguments: dict[str, Any], dead_letter: str) -> dict[str, Any]:
        """Declare the dead-letter queue and what leads to it; return the arguments of the queue itself."""
        __tracebackhide__ = True
        what = f"queue {name!r}: dead-letter queue {dead_letter!r}"
        if dead_letter == name:
            raise UsageError(f"queue({name!r}, dead_letter={dead_letter!r}): a queue of its own is needed")
        exchange = arguments.get(_EXCHANGE, dead_letter)
        keys: tuple[str, ...] = (arguments[_ROUTING_KEY],) if _ROUTING_KEY in arguments else (dead_letter,)
        if _EXCHANGE in arguments and _ROUTING_KEY not in arguments and exchange != "":
            keys = (name, "")
        elif keys[0] != dead_letter and exchange == "":
            raise UsageError(
                f"queue({name!r}, dead_letter={dead_letter!r}): its arguments lead to queue {keys[0]!r} instead"
            )
        else:
            arguments = {**arguments, _EXCHANGE: exchange, _ROUTING_KEY: keys[0]}
        if not self._has_queue(dead_letter):
            self.make_queue(what, dead_letter, durable=True, arguments={})
        elif self._declared is not None:
            self._declared.queue(Declaration(name=dead_letter, known=False))
        if exchange == "":
            return arguments
        if not self._has_exchange(exchange):
            self.make_exchange(what, exchange, "direct", durable=True)
        for key in keys:
            self.bind(
                what, Binding(exchange=exchange, destination=dead_letter, kind="queue", routing_key=key)
            )
        return arguments

    def _has_queue(self, name: str) -> bool:
        return self._there(lambda channel: channel.queue_declare(self._names.full(name), passive=True))

    def _has_exchange(self, name: str) -> bool:
        return self._there(lambda channel: channel.exchange_declare(self._names.full(name), passive=True))

    def make_queue(
        self, what: str, name: str, *, durable: bool, arguments: dict[str, Any], auto_delete: bool = False
    ) -> None:
        """Make one queue, and nothing around it; `what` is how an error begins.

        Raises:
            ChaosError: if the broker refuses, with its reason.
        """
        __tracebackhide__ = True
        full, given = self._names.full(name), self._names.arguments(arguments)
        new = self._declared is not None and not self._has_queue(name)
        options: dict[str, Any] = {"durable": durable, "auto_delete": auto_delete, "arguments": given}
        self._ask(what, lambda channel: channel.queue_declare(full, **options))
        if self._declared is not None:
            self._declared.queue(
                Declaration(name=name, durable=durable, auto_delete=auto_delete, arguments=arguments)
            )
            if new:
                self._declared.make("queue", full)

    def make_exchange(self, what: str, name: str, type: str, **options: Any) -> None:
        """Make one exchange; `what` is how an error begins.

        Raises:
            ChaosError: if the broker refuses, with its reason.
        """
        __tracebackhide__ = True
        full = self._names.full(name)
        arguments = options.get("arguments") or {}
        if isinstance(other := arguments.get(_ALTERNATE), str):
            options["arguments"] = {**arguments, _ALTERNATE: self._names.full(other)}
        new = self._declared is not None and not self._has_exchange(name)
        self._ask(what, lambda channel: channel.exchange_declare(full, type, **options))
        if self._declared is not None:
            self._declared.exchange(name, type)
            if new:
                self._declared.make("exchange", full)

    def bind(self, what: str, binding: Binding) -> None:
        """Bind a queue or an exchange to an exchange; `what` is how an error begins.

        Raises:
            ChaosError: if the broker refuses, with its reason.
        """
        __tracebackhide__ = True
        to, source = self._names.full(binding.destination), self._names.full(binding.exchange)
        key, arguments = binding.routing_key, dict(binding.arguments)

        def question(channel: Any) -> None:
            if binding.kind == "queue":
                channel.queue_bind(to, source, key, arguments)
            else:
                channel.exchange_bind(to, source, key, arguments)

        self._ask(
            f"{what}, binding it to exchange {binding.exchange!r}",
            question,
            {404: f"declare it first, with mqchaos.exchange({binding.exchange!r})"},
        )
        if self._declared is not None:
            self._declared.bind(binding)

    def _there(self, question: Callable[[Any], object]) -> bool:
        """Whether the broker knows what is declared passively; another answer than "not found" is a yes."""
        import pika.exceptions

        try:
            self._once(question)
        except pika.exceptions.ChannelClosedByBroker as error:
            return bool(error.reply_code != 404)
        except (pika.exceptions.AMQPError, OSError):
            return False
        return True

    def _ask(
        self, what: str, question: Callable[[Any], object], mends: Mapping[int, str] | None = None
    ) -> None:
        """Put a declaration to the broker; a connection that was lost since the last one is opened again."""
        __tracebackhide__ = True
        import pika.exceptions

        for attempt in (1, 2):
            had_one = self._connection is not None
            try:
                self._once(question)
                return
            except (
                pika.exceptions.ProtocolSyntaxError,
                struct.error,
                TypeError,
                ValueError,
                AssertionError,
            ) as error:
                self.close()  # pika's channel may still wait for the answer to what it could not write
                raise UsageError(f"{what}: cannot be declared: {reason(error)}") from None
            except (pika.exceptions.AMQPError, OSError) as error:
                if had_one and attempt == 1 and broker_code(error) is None:
                    continue
                raise ChaosError(f"{what}: {_why(error, mends or {})}") from None

    def _once(self, question: Callable[[Any], object]) -> None:
        import pika

        with quiet():
            if self._connection is None or not self._connection.is_open:
                self._connection = pika.BlockingConnection(parameters(self._url, "mqchaos declarations"))
                self._channel = None
            if self._channel is None or not self._channel.is_open:
                self._channel = self._connection.channel()
            question(self._channel)


def _why(error: Exception, mends: Mapping[int, str]) -> str:
    code = broker_code(error)
    if code is None:
        return f"the broker does not answer: {reason(error)}"
    mend = mends.get(code)
    if code == 406 and "inequivalent" in repr(error):
        mend = "it is there already: declare it as it is, or leave it to the one who declares it first"
    return f"the broker refuses: {reason(error)}{'; ' if mend else ''}{mend or ''}"


def _arguments(call: str, name: object, arguments: object) -> dict[str, Any]:
    __tracebackhide__ = True
    if not isinstance(name, str) or not name or len(name.encode(errors="replace")) > 255:
        raise UsageError(f"{call}({name!r}): a name of 1 to 255 bytes")
    if arguments is None:
        return {}
    if not isinstance(arguments, Mapping) or not all(isinstance(key, str) for key in arguments):
        raise UsageError(f"{call}({name!r}, arguments={arguments!r}): a dict of names to values")
    return dict(arguments)


def _checked(call: str, name: str, **flags: object) -> None:
    __tracebackhide__ = True
    for flag, value in flags.items():
        if not isinstance(value, bool):
            raise UsageError(f"{call}({name!r}, {flag}={value!r}): True or False")


def _names(call: str, name: str, **names: object) -> None:
    __tracebackhide__ = True
    for what, value in names.items():
        if value is not None and (not isinstance(value, str) or not value):
            raise UsageError(f"{call}({name!r}, {what}={value!r}): a name")
