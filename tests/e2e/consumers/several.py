"""Correct consumers with several queues, channels or connections in one process.

Each takes its queues from ``QUEUES`` and reads all of them. A queue that is named twice is read twice. With ``DEDUP``
no work is done twice for one message of one queue; the store is shared by all threads and outlives the process.
"""

import os
import sqlite3
import threading

from consumers import kit


def queues():
    """Return the queues that are read, one for each channel or connection."""
    return kit.setting("QUEUES", "orders").split(",")


class Store:
    """What was done, as rows of a database: one for each queue's message. Rows are effects where ``DEDUP`` is set."""

    def __init__(self):
        self._rows = sqlite3.connect(
            os.environ["DEDUP"], isolation_level=None, timeout=30, check_same_thread=False
        )
        self._alone = threading.Lock()

    def once(self, queue, properties, body):
        """Do the work for a message unless it is done: the row is the work, so nothing comes between the two."""
        kit.order(body)
        with self._alone:
            self._rows.execute("insert or ignore into done values (?, ?)", (queue, properties.message_id))


def handler(queue):
    """Return what works on a queue's message and then acks it on its own channel; poison is rejected."""
    store = Store() if os.environ.get("DEDUP") else None

    def handle(channel, method, properties, body):
        try:
            kit.work(properties, body) if store is None else store.once(queue, properties, body)
        except kit.PermanentError:
            channel.basic_reject(method.delivery_tag, requeue=False)
        else:
            channel.basic_ack(method.delivery_tag)

    return handle


def channels(url):
    """Read each queue on a channel of its own, all on one connection: tags start again with each."""
    read = [(queue, handler(queue)) for queue in queues()]

    def session(url):
        connection, first = kit.connect(url)
        for number, (queue, handle) in enumerate(read):
            channel = connection.channel() if number else first
            channel.basic_qos(prefetch_count=kit.setting("PREFETCH", 10))
            channel.basic_consume(queue, handle)
        first.start_consuming()

    kit.again_and_again(session, url)


def one_channel(url):
    """Read all queues on one channel: tags count over both."""
    read = [(queue, handler(queue)) for queue in queues()]

    def session(url):
        _, channel = kit.connect(url)
        for queue, handle in read:
            channel.basic_consume(queue, handle)
        channel.start_consuming()

    kit.again_and_again(session, url)


def connections(url):
    """Read each queue on a connection of its own, a thread each; each comes back by itself."""

    def serve(queue):
        handle = handler(queue)
        kit.again_and_again(lambda url: kit.consume(url, handle, queue=queue), url)

    threads = [threading.Thread(target=serve, args=(queue,)) for queue in queues()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
