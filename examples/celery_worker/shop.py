"""Books orders by Celery, each exactly once, whatever breaks on the way.

    celery -A shop worker

The broker's address comes from `$CELERY_BROKER_URL`, which Celery reads by itself.
"""

import fcntl
import os
import time

from celery import Celery, Task

TAKES = float(os.environ.get("AN_ORDER_TAKES", "0.02"))  # seconds

app = Celery("shop")
app.conf.update(
    task_default_queue="orders",
    task_ignore_result=True,
    task_acks_late=True,  # the ack comes after the work,
    task_reject_on_worker_lost=True,  # and none for a pool process that died at it
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
)


def write(order: str) -> None:
    """Do the work of an order, once: the book of all orders is also the memory of what is done.

    In a database this is a column with a unique index.
    """
    time.sleep(TAKES)
    with open(os.environ["ORDERS_LOG"], "a+", encoding="utf-8") as log:
        fcntl.flock(log, fcntl.LOCK_EX)  # the processes of the pool share it
        log.seek(0)
        if order not in log.read().splitlines():
            log.write(f"{order}\n")


@app.task(name="shop.book")
def book(order: str) -> None:
    """Book one order."""
    write(order)


@app.task(name="shop.book_when_paid", bind=True, max_retries=3, default_retry_delay=0.5)
def book_when_paid(self: Task, order: str) -> None:
    """Book an order whose payment is found at the second try only; Celery keeps it until then."""
    if self.request.retries == 0:
        raise self.retry()
    write(order)
