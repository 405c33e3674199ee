"""The bug: it asks for no confirms, and calls an order sent once it is written to a socket."""

import os

import pika
from pika.exceptions import AMQPError
from publisher import COUNT, note, send


def publish() -> None:
    """Publish all orders."""
    channel = None
    for order in range(1, COUNT + 1):
        try:
            if channel is None:
                channel = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])).channel()
            send(channel, order)
        except AMQPError:
            channel = None
        note(order)
    if channel is not None:
        channel.connection.close()


if __name__ == "__main__":
    publish()
