"""Taking out of a queue what a consumer published there, a little at a time, on a connection of our own."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pytest_mqchaos.brokers.rabbitmq.client import broker_code, parameters, quiet, reason
from pytest_mqchaos.brokers.rabbitmq.resting import RestingMessage, resting

__all__ = ["OutletReader", "Taken"]

_ABSENT = 404
_HEARTBEAT = 10
"""Seconds: a broker that stands still is not waited for longer than twice that."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One message that was taken out."""

    message: RestingMessage
    again: bool
    """Whether the broker handed it out before."""


class OutletReader:
    """Reads one queue; a connection that was lost is opened again at the next reading."""

    def __init__(self, url: str, queue: str) -> None:
        self.absent = False
        """Whether there was no such queue at the last reading."""
        self.refused = ""
        """Why the broker did not let it be read, in its own words."""
        self._url = url
        self._queue = queue
        self._connection: Any = None
        self._channel: Any = None

    def take(self) -> list[Taken]:
        """Take out all that is there; nothing where the broker does not answer just now."""
        return self._look(keep=False)

    def peek(self) -> list[Taken]:
        """Look at all that is there, and leave it: it goes back, marked as handed out before."""
        found = self._look(keep=True)
        self.close()
        return found

    def _look(self, *, keep: bool) -> list[Taken]:
        import pika.exceptions

        found: list[Taken] = []
        try:
            with quiet():
                self._read(found, keep=keep)
                self.absent, self.refused = False, ""
        except pika.exceptions.ChannelClosedByBroker as error:
            self._channel = None
            self.absent = broker_code(error) == _ABSENT
            self.refused = "" if self.absent else reason(error)
        except (pika.exceptions.AMQPError, OSError):
            self.close()
        return found

    def _read(self, found: list[Taken], *, keep: bool) -> None:
        import pika

        if self._connection is None or not self._connection.is_open:
            made = parameters(self._url, f"mqchaos effects of {self._queue}")
            made.heartbeat = _HEARTBEAT
            self._connection, self._channel = pika.BlockingConnection(made), None
        if self._channel is None or not self._channel.is_open:
            self._channel = self._connection.channel()
        last = 0
        while True:
            method, properties, body = self._channel.basic_get(self._queue)
            if method is None:
                break
            found.append(Taken(resting(properties, body or b""), bool(method.redelivered)))
            last = method.delivery_tag
        if last and not keep:
            self._channel.basic_ack(last, multiple=True)

    def delete(self) -> None:
        """Delete the queue, as far as the broker answers."""
        import pika.exceptions

        with quiet(), suppress(pika.exceptions.AMQPError, OSError):
            if self._connection is not None and self._connection.is_open:
                self._connection.channel().queue_delete(self._queue)

    def close(self) -> None:
        """Close its connection."""
        import pika.exceptions

        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None and connection.is_open:
            with quiet(), suppress(pika.exceptions.AMQPError, OSError):
                connection.close()
