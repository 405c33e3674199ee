"""pika's blocking connection: whatever ends it, a new one."""

import os
import time

import pika
from record import done, say


def work(channel, method, properties, _body):
    """Leave the mark of work done, and ack."""
    done(properties.message_id)
    channel.basic_ack(method.delivery_tag)


while True:
    try:
        connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
        channel = connection.channel()
        channel.basic_qos(prefetch_count=5)
        channel.basic_consume("orders", work)
        say("connected")
        channel.start_consuming()
    except (pika.exceptions.AMQPError, OSError) as error:
        say("lost", repr(error))
        time.sleep(0.1)
