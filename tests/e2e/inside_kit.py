"""Consumers of the test's own process: a task by aio-pika, a thread by pika; correct ones, and planted bugs."""

import asyncio
import contextlib
import threading
import time

import aio_pika
import pika
from pika.exceptions import AMQPError

from pytest_mqchaos import probe


class Book:
    """Where work shows: by the probe, and in a list of the test's own, apart from what the plugin records."""

    def __init__(self, *, once=True, work=0.005, probes=True):
        self.done = []
        self.once, self.work, self.probes = once, work, probes

    def write(self, message):
        """Note the work for a message, once unless the bug is that it is not."""
        if not self.once or message not in self.done:
            self.done.append(message)
            if self.probes:
                probe.effect(message)


async def task(url, book, *, prefetch=5, early=False, reconnects=True):
    """Consume `orders` by aio-pika: the ack after the work, a connection that comes again by itself."""
    connect = aio_pika.connect_robust if reconnects else aio_pika.connect
    options = {"reconnect_interval": 0.1} if reconnects else {}
    connection = await connect(url, **options)
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=prefetch)
        queue = await channel.get_queue("orders")

        async def on_order(order):
            if early:
                await order.ack()
            await asyncio.sleep(book.work)
            book.write(order.headers["x-mqchaos-id"])
            if not early:
                with contextlib.suppress(Exception):  # its channel is gone: it comes again
                    await order.ack()

        await queue.consume(on_order)
        await asyncio.Future()


@contextlib.asynccontextmanager
async def running(url, book, **options):
    """Run the task, and end it with the block."""
    made = asyncio.create_task(task(url, book, **options))
    try:
        yield made
    finally:
        made.cancel()
        await asyncio.gather(made, return_exceptions=True)


class Thread:
    """Consumes `orders` by pika in a thread, until the end of its block."""

    def __init__(self, url, book, *, prefetch=5, early=False, reconnects=True):
        self.url, self.book = url, book
        self.prefetch, self.early, self.reconnects = prefetch, early, reconnects
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="orders", daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._over.set()
        self._thread.join(20)
        assert not self._thread.is_alive()

    def _run(self):
        while not self._over.is_set():
            with contextlib.suppress(AMQPError, OSError):
                self._consume()
            if not self.reconnects:
                return
            time.sleep(0.05)

    def _consume(self):
        with contextlib.closing(pika.BlockingConnection(pika.URLParameters(self.url))) as connection:
            channel = connection.channel()
            channel.basic_qos(prefetch_count=self.prefetch)
            for method, properties, _ in channel.consume("orders", inactivity_timeout=0.05):
                if self._over.is_set():
                    return
                if method is not None:
                    self._work(channel, method, properties)

    def _work(self, channel, method, properties):
        if self.early:
            channel.basic_ack(method.delivery_tag)
        time.sleep(self.book.work)
        self.book.write(properties.headers["x-mqchaos-id"])
        if not self.early:
            channel.basic_ack(method.delivery_tag)
