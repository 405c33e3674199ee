"""Books the orders of a queue, each once, as one task of an asyncio application."""

import asyncio
import json
from typing import Protocol

import aio_pika
from aio_pika.abc import AbstractIncomingMessage
from aiormq.exceptions import AMQPError


class Book(Protocol):
    """Where orders are booked: in production a table with a unique index."""

    async def add(self, order: str) -> None:
        """Book an order; one that is booked already stays as it is."""


class Bookings:
    """The consumer: reads orders, books them, and acknowledges what is booked."""

    def __init__(self, url: str, book: Book, *, prefetch: int = 10) -> None:
        self._url, self._book, self._prefetch = url, book, prefetch

    async def connect(self) -> aio_pika.abc.AbstractConnection:
        """Connect for good: after a loss the connection, its channel and its consumer come again by themselves."""
        return await aio_pika.connect_robust(self._url, reconnect_interval=0.1)

    async def run(self) -> None:
        """Consume until the task is cancelled."""
        async with await self.connect() as connection:
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=self._prefetch)
            queue = await channel.declare_queue("orders", durable=True)
            await queue.consume(self.on_order)
            await asyncio.Future()

    async def on_order(self, message: AbstractIncomingMessage) -> None:
        """Book one order. The ack comes last: until then the broker would deliver it again."""
        await self._book.add(json.loads(message.body)["order"])
        await acknowledge(message)


async def acknowledge(message: AbstractIncomingMessage) -> None:
    """Acknowledge; where the channel of the delivery is gone, the broker delivers it again."""
    try:
        await message.ack()
    except (AMQPError, aio_pika.exceptions.AMQPError, RuntimeError) as error:
        print(f"not acknowledged ({error!r}), it will come again")
