"""The bug: what cannot be read is acked, so it never comes to the dead-letter queue and nobody hears of it."""

import json

from worker import book, consume


def on_order(channel, method, properties, body):
    try:
        book(json.loads(body)["order"])
    except ValueError:
        print("unreadable, ignored", flush=True)
    channel.basic_ack(method.delivery_tag)


consume(on_order)
