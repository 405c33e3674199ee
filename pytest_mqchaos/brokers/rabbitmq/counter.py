"""Counting without an Erlang shell: a passive `queue.declare` for each queue, on one connection of our own.

The answer is the queue's own and of the moment: how many messages are ready, and how many consumers there are. What
is in the hands of consumers it does not tell; `joined` takes that from the wire. An answer of the broker's "no"
closes the channel, so each needs a fresh one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from pytest_mqchaos.brokers.rabbitmq.client import broker_code, parameters, quiet, reason
from pytest_mqchaos.errors import ChaosError

__all__ = ["Answer", "Counter"]

_NOT_FOUND, _LOCKED, _INTERNAL = 404, 405, 500
_SILENT = 0.24
"""Seconds after which the answer of a quorum queue without a leader is made up (0 messages, 0 consumers)."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a queue said: `locked` if it is exclusive to another connection, `late` if its owner may be away."""

    ready: int = 0
    consumers: int = 0
    locked: bool = False
    late: bool = False


class Counter:
    """One connection for questions to a broker, opened when it is needed and again when it was lost.

    Safe from several threads: one question at a time.
    """

    def __init__(self, url: str, name: str = "mqchaos census") -> None:
        self._url = url
        self._name = name
        self._connection: Any = None
        self._channel: Any = None
        self._lock = threading.Lock()

    def count(self, queues: Iterable[str]) -> dict[str, Answer]:
        """Ask each queue; those that there are not are left out.

        Raises:
            ChaosError: the broker does not answer.
        """
        answers = {queue: self._one(queue) for queue in queues}
        return {queue: answer for queue, answer in answers.items() if answer is not None}

    def leads(self, queue: str) -> bool:
        """Whether a queue answers for itself, when it has just been started and nobody reads it yet.

        A quorum queue without a leader says that it is empty. To get a message from one that is empty takes its
        leader, and changes nothing; one that is not empty has said so.
        """

        def question(channel: Any) -> None:
            method, _, _ = channel.basic_get(queue)
            if method is not None:
                channel.basic_nack(method.delivery_tag)

        try:
            answer = self._one(queue)
            if answer is None or answer.locked or answer.ready or answer.consumers:
                return True
            code = self._asked(f"asking the queue {queue!r}", question)
        except ChaosError:
            return False
        return code is None or code < _INTERNAL

    def delete(self, kind: str, name: str) -> None:
        """Delete a queue or an exchange; one that is gone, or exclusive to a connection that ends, is no error.

        Raises:
            ChaosError: the broker refuses, or does not answer.
        """

        def question(channel: Any) -> None:
            (channel.queue_delete if kind == "queue" else channel.exchange_delete)(name)

        code = self._asked(f"deleting the {kind} {name!r}", question)
        if code not in (None, _NOT_FOUND, _LOCKED):
            raise ChaosError(f"deleting the {kind} {name!r}: the broker refuses ({code})")

    def properties(self) -> dict[str, Any]:
        """What the broker says of itself.

        Raises:
            ChaosError: it does not answer, or refuses the login.
        """
        self._asked("asking the broker for its version", lambda channel: None)
        implementation = getattr(self._connection, "_impl", None)
        return dict(getattr(implementation, "server_properties", None) or {})

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        with self._lock:
            self._drop()

    def _one(self, queue: str) -> Answer | None:
        found: Any = None

        def question(channel: Any) -> None:
            nonlocal found
            found = channel.queue_declare(queue, passive=True).method

        began = time.monotonic()
        code = self._asked(f"counting the queue {queue!r}", question)
        if code == _NOT_FOUND:
            return None
        if code == _LOCKED:
            return Answer(locked=True)
        if code is not None or found is None:
            raise ChaosError(f"counting the queue {queue!r}: the broker refuses ({code})")
        empty = not found.message_count and not found.consumer_count
        return Answer(
            ready=found.message_count,
            consumers=found.consumer_count,
            late=empty and time.monotonic() - began >= _SILENT,
        )

    def _asked(self, what: str, question: Callable[[Any], object]) -> int | None:
        """Put one question; return the code with which the broker closed the channel, None if it answered."""
        import pika.exceptions

        with self._lock, quiet():
            for attempt in (1, 2):
                had_one = self._connection is not None
                try:
                    question(self._open())
                except pika.exceptions.ChannelClosedByBroker as error:
                    return int(error.reply_code)
                except (pika.exceptions.AMQPError, OSError) as error:
                    self._drop()
                    if had_one and attempt == 1:
                        continue
                    raise ChaosError(f"{what}: {_refusal(error)}") from None
                else:
                    return None
        raise AssertionError("unreachable: the second try returns or raises")

    def _open(self) -> Any:
        import pika

        if self._connection is None or not self._connection.is_open:
            made = parameters(self._url, self._name)
            made.heartbeat = 0  # nobody serves it between two questions
            self._connection = pika.BlockingConnection(made)
            self._channel = None
        if self._channel is None or not self._channel.is_open:
            self._channel = self._connection.channel()
        return self._channel

    def _drop(self) -> None:
        import pika.exceptions

        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None and connection.is_open:
            with quiet(), suppress(pika.exceptions.AMQPError, OSError):
                connection.close()


def _refusal(error: Exception) -> str:
    code = broker_code(error)
    if code is None:
        return f"the broker does not answer: {reason(error)}"
    return f"the broker refuses: {reason(error)}"
