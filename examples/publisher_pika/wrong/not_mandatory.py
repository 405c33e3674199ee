"""The bug: it does not ask to be told when no queue takes an order, and the broker confirms what it throws away."""

from publisher import COUNT, connect, note, send


def publish() -> None:
    """Publish all orders."""
    channel = connect()
    for order in range(1, COUNT + 1):
        send(channel, order, mandatory=False)
        note(order)
    channel.connection.close()


if __name__ == "__main__":
    publish()
