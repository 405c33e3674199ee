"""The first stage: an invoice for each order. An order that comes twice has the same invoice twice."""

import json
from typing import Any

import pika
import stage
from pika.adapters.blocking_connection import BlockingChannel


def publish(channel: BlockingChannel, order: dict[str, Any]) -> None:
    """Publish the invoice of an order; returns when the broker has confirmed it."""
    invoice = {"invoice": f"INV-{order['order']}", "order": order["order"]}
    persistent = pika.BasicProperties(delivery_mode=2)
    channel.basic_publish("", "invoices", json.dumps(invoice).encode(), persistent, mandatory=True)


def bill(channel: BlockingChannel, tag: int, order: dict[str, Any]) -> None:
    """Bill one order. The ack comes last, when its invoice is the broker's."""
    publish(channel, order)
    channel.basic_ack(tag)


if __name__ == "__main__":
    stage.run("orders", bill)
