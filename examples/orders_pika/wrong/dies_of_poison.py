"""The bug: one unreadable order ends the process; its supervisor starts it, and it gets the same order."""

import json

from worker import book, consume


def on_order(channel, method, properties, body):
    book(json.loads(body)["order"])
    channel.basic_ack(method.delivery_tag)


consume(on_order)
