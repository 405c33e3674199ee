"""What the client says to declare, bind, purge and delete; each becomes an event with the server's answer."""

from __future__ import annotations

from pytest_mqchaos.wire.amqp.calls import Call
from pytest_mqchaos.wire.amqp.channels import Connection, QueueName
from pytest_mqchaos.wire.amqp.events import (
    ExchangeBound,
    ExchangeDeclared,
    ExchangeDeleted,
    ExchangeUnbound,
    QueueBound,
    QueueDeclared,
    QueueDeleted,
    QueuePurged,
    QueueUnbound,
    WireEvent,
)
from pytest_mqchaos.wire.amqp.protocol import Method

__all__ = [
    "exchange_bind",
    "exchange_declare",
    "exchange_delete",
    "exchange_unbind",
    "queue_bind",
    "queue_declare",
    "queue_delete",
    "queue_purge",
    "queue_unbind",
]


def exchange_declare(connection: Connection, call: Call) -> WireEvent | None:
    """Expect an exchange."""
    call.short()
    name, kind, bits, arguments = call.short_text(), call.short_text(), call.octet(), call.table()

    def declared(_: Call | None) -> ExchangeDeclared:
        return ExchangeDeclared(
            channel=call.channel,
            exchange=name,
            type=kind,
            durable=bool(bits & 2),
            auto_delete=bool(bits & 4),
            internal=bool(bits & 8),
            passive=bool(bits & 1),
            arguments=arguments,
        )

    channel = connection.channel(call.channel)
    return channel.ask(Method.EXCHANGE_DECLARE_OK, call, declared, silent=bool(bits & 16))


def exchange_bind(connection: Connection, call: Call) -> WireEvent | None:
    """Expect a binding between exchanges."""
    call.short()
    name, source, key = call.short_text(), call.short_text(), call.short_text()
    silent, arguments = call.octet() & 1, call.table()
    bound = ExchangeBound(call.channel, name, source, key, arguments)
    channel = connection.channel(call.channel)
    return channel.ask(Method.EXCHANGE_BIND_OK, call, lambda _: bound, silent=bool(silent))


def exchange_unbind(connection: Connection, call: Call) -> WireEvent | None:
    """Expect a binding between exchanges to end."""
    call.short()
    unbound = ExchangeUnbound(call.channel, call.short_text(), call.short_text(), call.short_text())
    silent = call.octet() & 1
    channel = connection.channel(call.channel)
    return channel.ask(Method.EXCHANGE_UNBIND_OK, call, lambda _: unbound, silent=bool(silent))


def exchange_delete(connection: Connection, call: Call) -> WireEvent | None:
    """Expect an exchange to end."""
    call.short()
    deleted = ExchangeDeleted(call.channel, call.short_text())
    silent = call.octet() & 2
    channel = connection.channel(call.channel)
    return channel.ask(Method.EXCHANGE_DELETE_OK, call, lambda _: deleted, silent=bool(silent))


def queue_declare(connection: Connection, call: Call) -> WireEvent | None:
    """Expect a queue; the answer names it where the client did not."""
    call.short()
    queue, bits, arguments = QueueName(call.short_text()), call.octet(), call.table()
    passive = bool(bits & 1)  # the rest means nothing then, and a client may set any of it

    def declared(reply: Call | None) -> QueueDeclared:
        if reply is not None:
            queue.text = reply.short_text()
        return QueueDeclared(
            channel=call.channel,
            queue=queue.text,
            durable=bool(bits & 2) and not passive,
            exclusive=bool(bits & 4) and not passive,
            auto_delete=bool(bits & 8) and not passive,
            passive=passive,
            arguments=arguments,
        )

    channel = connection.channel(call.channel)
    channel.last_queue = queue
    return channel.ask(Method.QUEUE_DECLARE_OK, call, declared, silent=bool(bits & 16))


def queue_bind(connection: Connection, call: Call) -> WireEvent | None:
    """Expect a binding; without queue and key, the key is the name of the last queue declared."""
    call.short()
    channel = connection.channel(call.channel)
    name, exchange, key = call.short_text(), call.short_text(), call.short_text()
    silent, arguments = call.octet() & 1, call.table()
    queue = channel.queue(name)

    def bound(_: Call | None) -> QueueBound:
        routing_key = key if name or key else queue.text
        return QueueBound(call.channel, queue.text, exchange, routing_key, arguments)

    return channel.ask(Method.QUEUE_BIND_OK, call, bound, silent=bool(silent))


def queue_unbind(connection: Connection, call: Call) -> WireEvent | None:
    """Expect a binding to end."""
    call.short()
    channel = connection.channel(call.channel)
    name, exchange, key = call.short_text(), call.short_text(), call.short_text()
    queue = channel.queue(name)

    def unbound(_: Call | None) -> QueueUnbound:
        return QueueUnbound(call.channel, queue.text, exchange, key if name or key else queue.text)

    return channel.ask(Method.QUEUE_UNBIND_OK, call, unbound)


def queue_purge(connection: Connection, call: Call) -> WireEvent | None:
    """Expect a queue to be emptied of its ready messages."""
    call.short()
    channel = connection.channel(call.channel)
    queue, silent = channel.queue(call.short_text()), call.octet() & 1

    def purged(reply: Call | None) -> QueuePurged:
        return QueuePurged(call.channel, queue.text, None if reply is None else reply.long())

    return channel.ask(Method.QUEUE_PURGE_OK, call, purged, silent=bool(silent))


def queue_delete(connection: Connection, call: Call) -> WireEvent | None:
    """Expect a queue to end."""
    call.short()
    channel = connection.channel(call.channel)
    queue, bits = channel.queue(call.short_text()), call.octet()

    def deleted(reply: Call | None) -> QueueDeleted:
        return QueueDeleted(call.channel, queue.text, None if reply is None else reply.long())

    return channel.ask(Method.QUEUE_DELETE_OK, call, deleted, silent=bool(bits & 4))
