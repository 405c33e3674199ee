"""The bug: an order that cannot be booked is logged, and neither acked nor rejected."""

import json

from worker import book, consume


def on_order(channel, method, properties, body):
    try:
        order = json.loads(body)
        if order["quantity"] == 0:
            raise ValueError("nothing ordered")
        book(order["order"])
        channel.basic_ack(method.delivery_tag)
    except Exception as error:
        print("could not book an order:", error, flush=True)


consume(on_order)
