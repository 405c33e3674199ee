"""The bug: the thread that consumes ends with its connection, and the process lives on without it."""

import os
import threading

import pika
from worker import declare, on_order


def consume():
    connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
    channel = connection.channel()
    declare(channel)
    channel.basic_qos(prefetch_count=10)
    channel.basic_consume("orders", on_order)
    channel.start_consuming()


threading.Thread(target=consume).start()
threading.Event().wait()  # here a real service answers its health checks
