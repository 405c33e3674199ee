"""Consumes orders for good, whatever becomes of the broker and of the database."""

import json
import os
import time
from collections.abc import Callable
from typing import Any

import pika
from django.db import InterfaceError, OperationalError, connection, transaction
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

from shop.models import Booking, Done

Handle = Callable[[BlockingChannel, int, str], None]


def book(order: str) -> None:
    """Deal with an order once: that it is done and what was done are in one transaction, or neither is."""
    with transaction.atomic():
        _, new = Done.objects.get_or_create(order=order)
        if new:
            time.sleep(0.01)
            Booking.objects.create(order=order)


def book_and_ack(channel: BlockingChannel, tag: int, order: str) -> None:
    """Book an order, and ack it when that is committed."""
    book(order)
    channel.basic_ack(tag)


def read(body: bytes) -> str:
    """Return the number of an order, or raise a `ValueError`: also for what PostgreSQL could not keep."""
    try:
        order = json.loads(body)["order"]
    except (TypeError, KeyError, RecursionError):
        raise ValueError("no order") from None
    if not isinstance(order, str) or not order or "\0" in order:
        raise ValueError("no order")
    return order


def consume(handle: Handle = book_and_ack) -> None:
    """Hand each order to `handle`; what the database was gone for goes back to the queue."""

    def on_message(channel: BlockingChannel, method: Any, properties: Any, body: bytes) -> None:
        try:
            order = read(body)
        except ValueError:  # no retry makes it readable: to the dead-letter queue
            channel.basic_reject(method.delivery_tag, requeue=False)
            return
        try:
            handle(channel, method.delivery_tag, order)
        except (OperationalError, InterfaceError) as error:
            print(f"database lost ({error!r}), once more", flush=True)
            connection.close()  # Django makes a new one when it is asked next
            time.sleep(0.1)
            channel.basic_nack(method.delivery_tag, requeue=True)

    while True:
        try:
            channel = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])).channel()
            channel.queue_declare("orders.dead", durable=True)
            to_dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders.dead"}
            channel.queue_declare("orders", durable=True, arguments=to_dead)
            channel.basic_qos(prefetch_count=5)
            channel.basic_consume("orders", on_message)
            channel.start_consuming()
        except AMQPError as error:
            print(f"connection lost ({error!r}), once more", flush=True)
            time.sleep(0.1)
