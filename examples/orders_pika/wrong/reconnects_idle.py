"""The bug: it connects again, and does not subscribe again."""

import os
import time

import pika
from worker import declare, on_order


def connect():
    connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
    channel = connection.channel()
    declare(channel)
    return connection, channel


connection, channel = connect()
channel.basic_qos(prefetch_count=10)
channel.basic_consume("orders", on_order)
while True:
    try:
        connection.process_data_events(time_limit=1)
    except pika.exceptions.AMQPError:
        time.sleep(0.1)
        connection, channel = connect()
