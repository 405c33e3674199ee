"""Books the orders of a queue, each exactly once, whatever breaks on the way."""

import fcntl
import json
import os
import time
from collections.abc import Callable

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError
from pika.spec import Basic, BasicProperties

OnMessage = Callable[[BlockingChannel, Basic.Deliver, BasicProperties, bytes], None]

DEAD = "orders.dead"
TO_DEAD = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": DEAD}


def book(order: str) -> None:
    """Do the work of an order, once: the book of all orders is also the memory of what is done.

    One line and one write an order. In a database this is a column with a unique index.
    """
    time.sleep(0.02)
    with open(os.environ["ORDERS_LOG"], "a+", encoding="utf-8") as log:
        fcntl.flock(log, fcntl.LOCK_EX)  # two workers may hold the same order at a time
        log.seek(0)
        if order not in log.read().splitlines():
            log.write(f"{order}\n")


def read(body: bytes) -> str:
    """Return the number of the order, or raise a `ValueError`."""
    try:
        order = json.loads(body)
    except RecursionError:  # ten thousand brackets are JSON, and more than Python reads
        raise ValueError("nested too deep") from None
    if not isinstance(order, dict) or not isinstance(order.get("order"), str):
        raise ValueError("no order")
    return order["order"]


def on_order(
    channel: BlockingChannel, method: Basic.Deliver, properties: BasicProperties, body: bytes
) -> None:
    """Book one order. The ack comes last: until then the broker would deliver it again."""
    try:
        order = read(body)
    except ValueError:  # no retry makes it readable: to the dead-letter queue
        channel.basic_reject(method.delivery_tag, requeue=False)
        return
    book(order)
    channel.basic_ack(method.delivery_tag)


def declare(channel: BlockingChannel) -> None:
    """Declare the queue of orders, and the one for what nobody can read."""
    channel.queue_declare(DEAD, durable=True)
    channel.queue_declare("orders", durable=True, arguments=TO_DEAD)


def consume(
    on_message: OnMessage = on_order,
    queue: str = "orders",
    *,
    declare: Callable[[BlockingChannel], None] = declare,
    auto_ack: bool = False,
    prefetch: int = 10,
) -> None:
    """Consume for good: whenever the connection is gone, make a new one, and subscribe again."""
    while True:
        try:
            connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
            channel = connection.channel()
            declare(channel)
            channel.basic_qos(prefetch_count=prefetch)
            channel.basic_consume(queue, on_message, auto_ack=auto_ack)
            channel.start_consuming()
        except AMQPError as error:
            print(f"connection lost ({error!r}), once more", flush=True)
            time.sleep(0.1)


if __name__ == "__main__":
    consume()
