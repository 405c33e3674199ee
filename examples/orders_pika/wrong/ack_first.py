"""The bug: the ack goes out before the work is done, so a crash in between loses the order."""

import json

from worker import book, consume


def on_order(channel, method, properties, body):
    order = json.loads(body)["order"]
    channel.basic_ack(method.delivery_tag)
    book(order)


consume(on_order)
