"""Publishes the orders of a shop, each at least once, whatever breaks on the way.

The list of what was sent is the shop's memory: what stands there is never sent again, so nothing may stand there that
the broker has not confirmed.
"""

import json
import os
import time
from pathlib import Path

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, NackError, UnroutableError

QUEUE = os.environ.get("QUEUE", "orders")
COUNT = int(os.environ.get("COUNT", "40"))


def connect() -> BlockingChannel:
    """Return a channel whose publishes the broker confirms."""
    channel = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])).channel()
    channel.confirm_delivery()
    return channel


def send(channel: BlockingChannel, order: int, *, mandatory: bool = True) -> None:
    """Publish one order, and return once the broker has it; its id is the same each time it is sent."""
    channel.basic_publish(
        exchange="",
        routing_key=QUEUE,
        body=json.dumps({"order": f"order-{order}"}).encode(),
        properties=pika.BasicProperties(
            message_id=f"order-{order}", delivery_mode=2, content_type="application/json"
        ),
        mandatory=mandatory,
    )


def note(order: int) -> None:
    """Write down that an order was sent: one write, so that a crash cannot tear it."""
    with Path(os.environ["SENT_LOG"]).open("a", encoding="utf-8") as log:
        log.write(f"order-{order}\n")


def publish() -> None:
    """Publish all orders; one that was not confirmed is sent again, over a new connection if need be."""
    channel = None
    for order in range(1, COUNT + 1):
        while True:
            try:
                channel = channel or connect()
                send(channel, order)
                break
            except (NackError, UnroutableError) as error:  # refused: nobody has it
                print(f"order-{order}: {error!r}, once more", flush=True)
            except (AMQPError, OSError) as error:  # gone, with or without the order: nobody knows
                print(f"order-{order}: connection lost ({error!r}), once more", flush=True)
                channel = None
            time.sleep(0.1)
        note(order)
    if channel is not None:
        channel.connection.close()


if __name__ == "__main__":
    publish()
