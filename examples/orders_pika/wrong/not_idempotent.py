"""The bug: an order whose ack is lost comes again, and is booked again."""

import json
import os
import time

from worker import consume


def on_order(channel, method, properties, body):
    time.sleep(0.02)
    with open(os.environ["ORDERS_LOG"], "a") as log:
        log.write(json.loads(body)["order"] + "\n")
    channel.basic_ack(method.delivery_tag)


consume(on_order, prefetch=1)
