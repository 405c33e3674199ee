"""Sound bodies: the default order, and the bytes of what a test gives as body."""

from __future__ import annotations

import json
from random import Random

from pytest_mqchaos.errors import UsageError

__all__ = ["default_body", "encoded"]

_ITEMS = ("book", "lamp", "chair", "teapot", "kite", "pencil", "globe", "clock")


def default_body(number: int, run: str, rng: Random) -> bytes:
    """Return a small JSON order; its `order` is unique in the run and unlike that of any other run."""
    order = {
        "order": f"{run}-{number}",
        "customer": f"customer-{rng.randrange(1, 10)}",
        "item": rng.choice(_ITEMS),
        "quantity": rng.randrange(1, 10),
        "price": rng.randrange(100, 10_000) / 100,
    }
    return json.dumps(order).encode()


def encoded(value: object, where: str) -> tuple[bytes, bool]:
    """Return the bytes of a body, and whether they were written as JSON (from a dict or list).

    Args:
        value: bytes, str, or a dict or list.
        where: what the value is, for the error: `body=` or `body(17, rng) returned`.

    Raises:
        UsageError: if it is of another kind, or cannot be written.
    """
    __tracebackhide__ = True
    if isinstance(value, bytes | bytearray):
        return bytes(value), False
    if not isinstance(value, str | dict | list):
        raise UsageError(f"publish(): {where}{value!r}: bytes, str, or a dict or list that is sent as JSON")
    try:
        if isinstance(value, str):
            return value.encode(), False
        return json.dumps(value).encode(), True
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"publish(): {where}{str(value)[:80]!r}: cannot be sent: {error}") from None
