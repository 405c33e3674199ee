"""Acknowledges before it charges: whoever dies in between never charges."""

from worker import charge, consume, read


def on_order(channel, method, _properties, body):
    """Acknowledge, then charge."""
    channel.basic_ack(method.delivery_tag)
    charge(read(body))


if __name__ == "__main__":
    consume(on_order)
