"""What the client says to get messages: prefetch, subscriptions, polling, and once more what it holds."""

from __future__ import annotations

from pytest_mqchaos.wire.amqp.calls import Call
from pytest_mqchaos.wire.amqp.channels import Connection, Consumer
from pytest_mqchaos.wire.amqp.events import (
    GetRequested,
    Prefetched,
    RecoverRequested,
    Subscribed,
    Unsubscribed,
    WireEvent,
)
from pytest_mqchaos.wire.amqp.protocol import Method
from pytest_mqchaos.wire.amqp.tables import text

__all__ = ["cancel", "consume", "get", "qos", "recover"]


def qos(connection: Connection, call: Call) -> WireEvent | None:
    """Expect a prefetch; it holds for every subscription asked for behind it."""
    call.long()
    channel = connection.channel(call.channel)
    count, global_ = call.short(), bool(call.octet() & 1)
    if global_:
        channel.global_prefetch = count
    else:
        channel.prefetch = count
    return channel.ask(Method.BASIC_QOS_OK, call, lambda _: Prefetched(call.channel, count, global_))


def consume(connection: Connection, call: Call) -> WireEvent | None:
    """Expect a subscription; deliveries may come before its answer, and answers out of order (by tag)."""
    call.short()
    channel = connection.channel(call.channel)
    queue, tag = channel.queue(call.short_text()), call.short_bytes()
    bits, arguments = call.octet(), call.table()
    consumer = Consumer(text(tag), queue, bool(bits & 2))
    prefetch, global_prefetch = channel.prefetch, channel.global_prefetch
    if tag:
        channel.consumers[tag] = consumer
    else:
        channel.unnamed = consumer

    def subscribed(reply: Call | None) -> Subscribed:
        if reply is not None and not tag:
            name = reply.short_bytes()
            consumer.tag = text(name)
            channel.consumers[name] = consumer
            if channel.unnamed is consumer:
                channel.unnamed = None
        return Subscribed(
            channel=call.channel,
            consumer_tag=consumer.tag,
            queue=queue.text,
            auto_ack=consumer.auto_ack,
            exclusive=bool(bits & 4),
            prefetch=prefetch,
            arguments=arguments,
            global_prefetch=global_prefetch,
        )

    return channel.ask((Method.BASIC_CONSUME_OK, tag), call, subscribed, silent=bool(bits & 8))


def cancel(connection: Connection, call: Call) -> Unsubscribed:
    """Note the end of a subscription; its consumer is known until the answer, for what is on its way."""
    channel = connection.channel(call.channel)
    tag, silent = call.short_bytes(), call.octet() & 1
    consumer = channel.consumers.get(tag)

    def cancelled(_: Call | None) -> None:
        if channel.consumers.get(tag) is consumer:
            channel.consumers.pop(tag, None)

    if not silent:
        channel.ask(Method.BASIC_CANCEL_OK, call, cancelled)
    return Unsubscribed(call.channel, text(tag))


def get(connection: Connection, call: Call) -> GetRequested:
    """Expect one message or none."""
    call.short()
    channel = connection.channel(call.channel)
    queue, auto_ack = channel.queue(call.short_text()), bool(call.octet() & 1)
    channel.gets.append((queue, auto_ack))
    return GetRequested(call.channel, queue.text, auto_ack)


def recover(connection: Connection, call: Call) -> RecoverRequested:
    """Give the open deliveries back (they come again under new tags), or ask for them again as they are."""
    ledger = connection.channel(call.channel).deliveries
    requeue = bool(call.octet() & 1)
    return RecoverRequested(call.channel, requeue, ledger.take_all() if requeue else ledger.all())
