"""The bug: it acks every order and books none, which no count of the broker's shows."""

from worker import consume


def on_order(channel, method, properties, body):
    channel.basic_ack(method.delivery_tag)


consume(on_order)
