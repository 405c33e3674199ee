"""The bug: with automatic ack the broker forgets an order as soon as it is sent, read or not."""

import json

from worker import book, consume


def on_order(channel, method, properties, body):
    book(json.loads(body)["order"])


consume(on_order, auto_ack=True)
