"""Acknowledges whatever the service answers: a charge that was refused is forgotten."""

from worker import charge, consume, read


def on_order(channel, method, _properties, body):
    """Charge, and never look at the answer."""
    charge(read(body))
    channel.basic_ack(method.delivery_tag)


if __name__ == "__main__":
    consume(on_order)
