"""Charges the orders of a queue at a payment service, each exactly once, whatever breaks on the way."""

import json
import os
import time
from collections.abc import Callable

import pika
import requests
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError
from pika.spec import Basic, BasicProperties

TRIES = 5
DEAD = "orders.dead"
RETRY = "orders.retry"
WAIT = int(os.environ.get("RETRY_MS", "30000"))

Charge = Callable[[str], bool]


def charge(order: str) -> bool:
    """Charge an order, and return whether it is done.

    The service knows a charge again by its idempotency key: an answer that was lost may be asked for once more.
    """
    try:
        answer = requests.post(
            f"{os.environ['PAYMENTS_URL']}/charges",
            json={"order": order, "amount": 17},
            headers={"Idempotency-Key": order},
            timeout=5,
        )
    except requests.RequestException:
        return False
    return answer.ok


def read(body: bytes) -> str:
    """Return the number of the order, or raise a `ValueError`."""
    try:
        order = json.loads(body)
    except RecursionError:  # ten thousand brackets are JSON, and more than Python reads
        raise ValueError("nested too deep") from None
    if not isinstance(order, dict) or not isinstance(order.get("order"), str):
        raise ValueError("no order")
    return order["order"]


def tries(properties: BasicProperties) -> int:
    """Return which try this is: each that failed went once through the queue where it waits."""
    deaths = (properties.headers or {}).get("x-death", [])
    return 1 + sum(death["count"] for death in deaths if death["queue"] == RETRY)


def on_order(
    channel: BlockingChannel,
    method: Basic.Deliver,
    properties: BasicProperties,
    body: bytes,
    charge: Charge = charge,
) -> None:
    """Charge one order. What failed waits and comes back; what failed too often, or is no order, is kept."""
    try:
        order = read(body)
    except ValueError:
        give_up(channel, method, properties, body)
        return
    if charge(order):
        channel.basic_ack(method.delivery_tag)
    elif tries(properties) < TRIES:
        channel.basic_reject(method.delivery_tag, requeue=False)  # to the queue where it waits
    else:
        give_up(channel, method, properties, body)


def give_up(
    channel: BlockingChannel, method: Basic.Deliver, properties: BasicProperties, body: bytes
) -> None:
    """Hand a message to those who look at such, and only then let it go."""
    channel.basic_publish("", DEAD, body, properties, mandatory=True)  # returns when the broker has it
    channel.basic_ack(method.delivery_tag)


def declare(channel: BlockingChannel) -> None:
    """Declare the queue of orders, the one where they wait for the next try, and the one for what was given up."""
    back = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders", "x-message-ttl": WAIT}
    channel.queue_declare(DEAD, durable=True)
    channel.queue_declare(RETRY, durable=True, arguments=back)
    to_retry = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": RETRY}
    channel.queue_declare("orders", durable=True, arguments=to_retry)


OnMessage = Callable[[BlockingChannel, Basic.Deliver, BasicProperties, bytes], None]


def consume(on_message: OnMessage = on_order) -> None:
    """Consume for good: whenever the connection is gone, make a new one, and subscribe again."""
    while True:
        try:
            connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
            channel = connection.channel()
            channel.confirm_delivery()
            declare(channel)
            channel.basic_qos(prefetch_count=10)
            channel.basic_consume("orders", on_message)
            channel.start_consuming()
        except AMQPError as error:
            print(f"connection lost ({error!r}), once more", flush=True)
            time.sleep(0.1)


if __name__ == "__main__":
    consume()
