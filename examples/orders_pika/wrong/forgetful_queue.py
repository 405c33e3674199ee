"""The bug: the queue is not durable, so a restart of the broker takes it away with all that waits in it."""

from worker import consume, on_order


def declare(channel):
    channel.queue_declare("orders", durable=False)


consume(on_order, declare=declare)
