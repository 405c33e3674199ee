"""What both stages share: a session with the broker, made anew whenever it is gone."""

import json
import os
import time
from collections.abc import Callable
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

Handle = Callable[[BlockingChannel, int, dict[str, Any]], None]

DEAD = "pipeline.dead"


def run(queue: str, handle: Handle) -> None:
    """Hand each message of a queue to `handle`: its channel, its delivery's tag, and its JSON; for good."""

    def on_message(channel: BlockingChannel, method: Any, properties: Any, body: bytes) -> None:
        try:
            message = json.loads(body)
            message["order"]
        except (ValueError, TypeError, KeyError, RecursionError):  # no retry makes it readable
            channel.basic_reject(method.delivery_tag, requeue=False)
            return
        handle(channel, method.delivery_tag, message)

    while True:
        try:
            channel = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])).channel()
            declare(channel)
            channel.confirm_delivery()
            channel.basic_qos(prefetch_count=10)
            channel.basic_consume(queue, on_message)
            channel.start_consuming()
        except AMQPError as error:
            print(f"connection lost ({error!r}), once more", flush=True)
            time.sleep(0.1)


def declare(channel: BlockingChannel) -> None:
    """Declare all queues, whichever stage comes first."""
    channel.queue_declare(DEAD, durable=True)
    for queue in ("orders", "invoices"):
        to_dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": DEAD}
        channel.queue_declare(queue, durable=True, arguments=to_dead)
