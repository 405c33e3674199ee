"""A plain client for the conformance tests: what is published, taken and settled is known to the last frame."""

import socket
import struct
import time

import pika


class Client:
    """A plain pika client of one namespace: what it published, got and settled."""

    def __init__(self, url):
        self.connection = pika.BlockingConnection(pika.URLParameters(f"{url}?heartbeat=0"))
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        self.tags = []

    def queue(self, name, kind, **arguments):
        self.channel.queue_declare(
            name,
            durable=True,
            arguments={"x-queue-type": kind, **{f"x-{k.replace('_', '-')}": v for k, v in arguments.items()}},
        )

    def publish(self, queue, count):
        for number in range(count):
            self.channel.basic_publish("", queue, b"%d" % number, pika.BasicProperties(delivery_mode=2))

    def take(self, queue, count, *, prefetch=0):
        """Consume until `count` deliveries have come."""
        self.channel.basic_qos(prefetch_count=prefetch)
        self.channel.basic_consume(queue, lambda channel, method, *_: self.tags.append(method.delivery_tag))
        deadline = time.monotonic() + 15
        while len(self.tags) < count:
            assert time.monotonic() < deadline, f"{len(self.tags)} of {count} deliveries"
            self.connection.process_data_events(0.02)

    def settle(self, method="basic_ack", **arguments):
        """Send a settlement for each delivery and wait for none of them."""
        for tag in self.tags:
            getattr(self.channel._impl, method)(tag, **arguments)

    def barrier(self):
        """A question behind the settlements, and its answer."""
        self.channel.exchange_declare("amq.direct", "direct", passive=True)

    def reset(self):
        """Leave with an RST, as a connection that is cut does."""
        transport = self.connection._impl._transport._sock
        transport.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.close()
        self.connection._impl.ioloop.close()
