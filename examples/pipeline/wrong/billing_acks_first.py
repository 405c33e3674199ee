"""The bug: the order is acked before its invoice is with the broker."""

import time

import stage
from billing import publish


def bill(channel, tag, order):
    channel.basic_ack(tag)
    time.sleep(0.01)  # it looks up the customer
    publish(channel, order)


stage.run("orders", bill)
