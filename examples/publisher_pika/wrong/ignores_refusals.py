"""The bug: an order that the broker refuses, or that no queue takes, is logged, and noted as sent."""

from pika.exceptions import NackError, UnroutableError
from publisher import COUNT, connect, note, send


def publish() -> None:
    """Publish all orders."""
    channel = connect()
    for order in range(1, COUNT + 1):
        try:
            send(channel, order)
        except (NackError, UnroutableError) as error:
            print(f"order-{order}: {error!r}", flush=True)
        note(order)
    channel.connection.close()


if __name__ == "__main__":
    publish()
