"""aio-pika's robust connection, which comes back by itself."""

import asyncio
import os

import aio_pika
from record import done, say


async def work(message):
    """Leave the mark of work done, and ack."""
    done(message.message_id)
    await message.ack()


async def main():
    """Consume for ever."""
    connection = await aio_pika.connect_robust(os.environ["AMQP_URL"], reconnect_interval=0.1)
    connection.close_callbacks.add(lambda _connection, error: say("lost", repr(error)))
    connection.reconnect_callbacks.add(lambda _connection: say("connected"))
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=5)
    # Declared, not got: a queue of `get_queue` is none that it subscribes to again.
    queue = await channel.declare_queue("orders", durable=True)
    await queue.consume(work)
    say("connected")
    await asyncio.Future()


asyncio.run(main())
