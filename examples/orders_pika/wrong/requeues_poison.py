"""The bug: what cannot be read goes back to the queue, to be read again at once, for ever."""

import json

from worker import book, consume


def on_order(channel, method, properties, body):
    try:
        book(json.loads(body)["order"])
        channel.basic_ack(method.delivery_tag)
    except Exception:
        channel.basic_nack(method.delivery_tag, requeue=True)


consume(on_order)
