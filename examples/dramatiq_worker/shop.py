"""Books orders by dramatiq, each exactly once, whatever breaks on the way.

dramatiq shop
"""

import fcntl
import os
import time
from pathlib import Path

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

# A retry is published on one connection, what failed is acked on another: only a confirm tells that the first is safe.
broker = RabbitmqBroker(url=os.environ["RABBITMQ_URL"], confirm_delivery=True)
dramatiq.set_broker(broker)


class NotPaid(Exception):
    """The payment of an order is not there yet."""


def write(order: str) -> None:
    """Do the work of an order, once: the book of all orders is also the memory of what is done.

    In a database this is a column with a unique index.
    """
    time.sleep(0.02)
    with Path(os.environ["ORDERS_LOG"]).open("a+", encoding="utf-8") as log:
        fcntl.flock(log, fcntl.LOCK_EX)  # threads and processes share it
        log.seek(0)
        if order not in log.read().splitlines():
            log.write(f"{order}\n")


def paid(order: str) -> bool:
    """Look whether an order is paid: every fifth is when it is asked for again."""
    asked = Path(f"{os.environ['ORDERS_LOG']}.{order}.asked")
    if asked.exists() or int(order.rpartition("-")[2]) % 5:
        return True
    asked.touch()
    return False


@dramatiq.actor(queue_name="orders", max_retries=5, min_backoff=200, max_backoff=500)
def book(order: str) -> None:
    """Book one order that is paid; else dramatiq tries again later."""
    if not paid(order):
        raise NotPaid(order)
    write(order)
