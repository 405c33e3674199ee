"""Books the orders of a queue. The ack comes after the work."""

import json
import os
import time
from pathlib import Path

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError
from pika.spec import Basic, BasicProperties


def on_order(
    channel: BlockingChannel, method: Basic.Deliver, properties: BasicProperties, body: bytes
) -> None:
    """Book one order; what nobody can read is rejected."""
    try:
        order = json.loads(body)["order"]
    except (ValueError, TypeError, KeyError, RecursionError):
        channel.basic_reject(method.delivery_tag, requeue=False)
        return
    time.sleep(float(os.environ.get("WORK", "0.005")))
    with Path(os.environ["ORDERS_LOG"]).open("a", encoding="utf-8") as log:
        log.write(f"{order}\n")
    channel.basic_ack(method.delivery_tag)


def consume() -> None:
    """Consume for good: whenever the connection is gone, make a new one."""
    while True:
        try:
            channel = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])).channel()
            channel.basic_qos(prefetch_count=10)
            channel.basic_consume("orders", on_order)
            channel.start_consuming()
        except AMQPError as error:
            print(f"connection lost ({error!r}), once more", flush=True)
            time.sleep(0.1)


if __name__ == "__main__":
    consume()
