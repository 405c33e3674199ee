"""Charges without an idempotency key: whoever dies before the ack charges twice."""

import functools
import os

import requests
from worker import consume, on_order


def charge(order: str) -> bool:
    """Charge an order, as if it were for the first time."""
    return requests.post(f"{os.environ['PAYMENTS_URL']}/charges", json={"order": order}, timeout=5).ok


if __name__ == "__main__":
    consume(functools.partial(on_order, charge=charge))
