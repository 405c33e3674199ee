"""Reading what rests in terminal queues: once, with automatic ack, after the last census.

Peeking (get and requeue) would change flags and counts, and on some versions lose messages; so what is read is
taken out, and written into the history raw.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pytest_mqchaos.brokers.rabbitmq.client import parameters
from pytest_mqchaos.errors import ChaosError

__all__ = ["RestingMessage", "drain", "resting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestingMessage:
    """One message that was taken out of a queue."""

    body: bytes
    message_id: str | None
    mqchaos_id: str | None
    properties: bytes | None
    """All properties in the form of the protocol, encoded anew; None where the client library cannot."""
    death_reason: str | None
    death_queue: str | None
    headers: tuple[tuple[str, str], ...] = field(default=())
    correlation_id: str | None = None


def drain(
    url: str, queue: str, count: int, *, ours: Callable[[RestingMessage], bool] | None = None
) -> tuple[list[RestingMessage], str]:
    """Take up to `count` messages out of `queue`; with `ours`, only those, and hand back the others.

    Returns:
        What was read, and why it ended early (empty if it did not): a queue with a single active consumer
        refuses to be read this way.

    Raises:
        ChaosError: if the broker cannot be reached.

    """
    import pika
    import pika.exceptions

    try:
        connection = pika.BlockingConnection(parameters(url, "mqchaos what rests"))
    except (pika.exceptions.AMQPError, OSError) as error:
        raise ChaosError(f"reading {queue}: the broker does not answer ({type(error).__name__})") from None
    found: list[RestingMessage] = []
    try:
        channel = connection.channel()
        for _ in range(count):
            method, properties, body = channel.basic_get(queue, auto_ack=ours is None)
            if method is None:
                break
            one = resting(properties, body or b"")
            if ours is None:
                found.append(one)
            elif ours(one):
                found.append(one)
                channel.basic_ack(method.delivery_tag)
            # What is not ours goes back with the end of the connection.
    except pika.exceptions.AMQPError as error:
        return found, f"{type(error).__name__}: {error}"
    finally:
        if connection.is_open:
            connection.close()
    return found, ""


def resting(properties: object, body: bytes) -> RestingMessage:
    """Return what a message says that was read with pika."""
    headers = getattr(properties, "headers", None) or {}
    deaths = headers.get("x-death")
    last = deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}
    own = headers.get("x-mqchaos-id")
    message_id = getattr(properties, "message_id", None)
    correlation_id = getattr(properties, "correlation_id", None)
    return RestingMessage(
        body=body,
        message_id=message_id if isinstance(message_id, str) else None,
        mqchaos_id=own if isinstance(own, str) else None,
        properties=_encoded(properties),
        death_reason=_text(last.get("reason")),
        death_queue=_text(last.get("queue")),
        headers=tuple((str(name), str(value)[:256]) for name, value in headers.items()),
        correlation_id=correlation_id if isinstance(correlation_id, str) else None,
    )


def _encoded(properties: Any) -> bytes | None:
    """It reads values, such as fractions, that it does not write."""
    import pika.exceptions

    try:
        return b"".join(properties.encode())
    except (pika.exceptions.UnsupportedAMQPFieldException, ValueError, OverflowError, struct.error):
        return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
