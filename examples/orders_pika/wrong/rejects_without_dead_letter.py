"""The bug: orders are rejected when the shop is closed, and the queue has no dead-letter exchange to keep them."""

import json

from worker import book, consume


def declare(channel):
    channel.queue_declare("orders", durable=True)


def on_order(channel, method, properties, body):
    order = json.loads(body)
    if order["quantity"] == 0:
        channel.basic_reject(method.delivery_tag, requeue=False)
        return
    book(order["order"])
    channel.basic_ack(method.delivery_tag)


consume(on_order, declare=declare)
