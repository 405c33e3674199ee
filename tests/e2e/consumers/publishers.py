"""Publishers of an application: correct ones, and some that lose what they call sent."""

import json
import os
import time

import pika
from pika.exceptions import NackError, UnroutableError

from consumers import kit
from pytest_mqchaos import probe


def _order(n):
    return json.dumps({"n": n, "order": f"o-{n}"}).encode()


def _properties(n):
    named = {} if kit.setting("ANONYMOUS", 0) else {"message_id": f"order-{n}"}
    return pika.BasicProperties(delivery_mode=2, content_type="application/json", **named)


def _numbers():
    first = kit.setting("FIRST", 1)
    return range(first, first + kit.setting("COUNT", 30))


def _channel(url, *, confirms=True):
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    if confirms:
        channel.confirm_delivery()
    return connection, channel


def _send(channel, n, *, mandatory=True):
    channel.basic_publish("", kit.setting("QUEUE", "orders"), _order(n), _properties(n), mandatory=mandatory)
    time.sleep(kit.setting("PACE", 0.002))


def _sent(n):
    kit.diary("sent", n)
    probe.sent(f"o-{n}" if kit.setting("ANONYMOUS", 0) else f"order-{n}")


def confirmed(url):
    """Say sent once the broker confirmed; after a lost connection send the same message, with the same id, again."""
    connection = channel = None
    for n in _numbers():
        while True:
            try:
                connection, channel = (connection, channel) if channel else _channel(url)
                _send(channel, n)
                break
            except kit.LOST as error:
                kit.diary("lost", repr(error))
                channel = None
                time.sleep(0.05)
        _sent(n)
    connection.close()


def steady(url):
    """As above, and stay when all is sent."""
    confirmed(url)
    time.sleep(600)


def gives_up(url):
    """End with an error as soon as a message is not confirmed."""
    connection, channel = _channel(url)
    for n in _numbers():
        _send(channel, n)
        _sent(n)
    connection.close()


def polite(url):
    """Say sent what was confirmed; what was refused or returned is told to be failed."""
    connection, channel = _channel(url)
    for n in _numbers():
        try:
            _send(channel, n)
        except (NackError, UnroutableError) as error:
            kit.diary("failed", n, repr(error))
        else:
            _sent(n)
    connection.close()


def fails(url):
    """Publish half of it and fail for a reason of its own."""
    _, channel = _channel(url)
    for n in _numbers()[:15]:
        _send(channel, n)
    raise SystemExit("the tray is empty\nno more paper")


def short(url):
    """Publish half of it and call that all."""
    connection, channel = _channel(url)
    for n in _numbers()[:15]:
        _send(channel, n)
    connection.close()


def silent(_url):
    """Neither connect nor fail."""
    time.sleep(600)


def alike(url):
    """Publish messages that nothing tells apart."""
    connection, channel = _channel(url)
    for _ in _numbers():
        channel.basic_publish("", "orders", b"ping")
    connection.close()


def pipelined(url):
    """Publish by aio-pika, many at a time, and again, over a new connection, what was not confirmed.

    Where the connection ends within a burst, aio-pika may leave a publish pending for ever, though it knows: hence the
    time-out, as its users have one.
    """
    import asyncio

    import aio_pika

    lost = (aio_pika.exceptions.AMQPError, OSError, TimeoutError)

    async def send(connection, exchange, n):
        message = aio_pika.Message(_order(n), message_id=f"order-{n}", delivery_mode=2)
        try:
            async with asyncio.timeout(3.0):
                await exchange.publish(message, "orders")
        except TimeoutError:
            kit.diary("pending", n, "closed" if connection.is_closed else "open", connection.transport)
            raise

    async def session(left):
        connection = await aio_pika.connect(url)
        try:
            channel = await connection.channel(publisher_confirms=True)
            results = await asyncio.gather(
                *(send(connection, channel.default_exchange, n) for n in left), return_exceptions=True
            )
            for n, result in zip(list(left), results, strict=True):
                if not isinstance(result, BaseException):
                    left.remove(n)
                    _sent(n)
        finally:
            async with asyncio.timeout(3.0):
                await connection.close()

    async def main():
        left = list(_numbers())
        while left:
            try:
                await session(left)
            except lost as error:
                kit.diary("lost", repr(error))
                await asyncio.sleep(0.05)

    asyncio.run(main())


def lazy(url):
    """Connect with the first order, which comes late, and stay."""
    time.sleep(0.7)
    steady(url)


def events(url):
    """Publish orders, and with each an event that nobody listens to."""
    connection, channel = _channel(url)
    channel.exchange_declare("events", "topic")
    for n in _numbers():
        _send(channel, n)
        channel.basic_publish(
            "events", "order.sent", b"%d" % n, pika.BasicProperties(message_id=f"event-{n}")
        )
        _sent(n)
    connection.close()


# --- wrong ones ---------------------------------------------------------------------------------------------


def no_confirms(url):
    """Say sent what was written to a socket, and go on behind a lost connection with the next."""
    connection = channel = None
    for n in _numbers():
        try:
            connection, channel = (connection, channel) if channel else _channel(url, confirms=False)
            _send(channel, n)
        except kit.LOST as error:
            kit.diary("lost", repr(error))
            channel = None
            time.sleep(0.05)
        _sent(n)
    connection.close()


def ignores_failures(url):
    """Say sent what was refused or returned."""
    connection, channel = _channel(url)
    for n in _numbers():
        try:
            _send(channel, n)
        except (NackError, UnroutableError) as error:
            kit.diary("failed", n, repr(error))
        _sent(n)
    connection.close()


def not_mandatory(url):
    """Publish to where no queue is, without asking to be told."""
    connection, channel = _channel(url)
    for n in _numbers():
        _send(channel, n, mandatory=False)
        _sent(n)
    connection.close()


def not_flushed(url):
    """Keep the last messages in a buffer of its own, say that they were sent, and end without flushing it."""
    connection, channel = _channel(url)
    buffer = []
    for n in _numbers():
        buffer.append(n)
        _sent(n)
        if len(buffer) == 8:
            for one in buffer:
                _send(channel, one)
            buffer.clear()
    connection.close()


def exits_at_once(url):
    """Leave without closing anything."""
    _, channel = _channel(url)
    for n in _numbers():
        _send(channel, n)
        _sent(n)
    os._exit(0)


def other_names(url):
    """Say of each message that it was sent, by a name that stands nowhere in it."""
    connection, channel = _channel(url)
    for n in _numbers():
        _send(channel, n)
        probe.sent(f"number-{n}")
    connection.close()


def nothing(url):
    """Connect, and publish nothing."""
    connection, _ = _channel(url)
    connection.close()
