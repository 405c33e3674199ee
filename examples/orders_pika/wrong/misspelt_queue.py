"""The bug: a typo. It declares and reads a queue to which nobody sends."""

from worker import consume, on_order


def declare(channel):
    channel.queue_declare("order", durable=True)


consume(on_order, "order", declare=declare)
