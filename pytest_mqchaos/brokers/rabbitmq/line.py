"""A line: one connection of the publisher, from its opening to its end, on pika's event loop.

Everything happens in the thread of `run`, but `interrupt`.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pytest_mqchaos.brokers.rabbitmq.client import abort, one_write, parameters
from pytest_mqchaos.brokers.rabbitmq.flight import Flight, Outcome
from pytest_mqchaos.model.names import Names
from pytest_mqchaos.payloads import ID_HEADER, Plan, Planned

__all__ = ["Line"]

_TICK = 0.25
_CLOSE_TIMEOUT = 1.0


class Line:
    """One connection on which a flight is sent.

    `ended_by` is why it ended; `progress_at` when it last sent, was answered, or rightly waited (0.0: never);
    `stuck` whether it was given up because nothing of that happened for `patience` seconds. While `outage` says that
    a fault of the run's own keeps the broker away, it rightly waits.
    """

    def __init__(
        self,
        url: str,
        plan: Plan,
        flight: Flight,
        *,
        patience: float,
        names: Names,
        outage: Callable[[], bool],
        on_failed: Callable[[Exception], None],
        on_landed: Callable[[], None],
    ) -> None:
        import pika
        import pika.exceptions

        self.ended_by: object = None
        self.progress_at = 0.0
        self.stuck = False
        self._plan = plan
        self._flight = flight
        self._patience = patience
        self._names = names
        self._outage = outage
        self._on_failed = on_failed
        self._on_landed = on_landed
        self._channel: Any = None
        self._blocked_by = ""
        self._flushing = self._closing = False
        self._timer: object = None
        self._properties: Any = pika.BasicProperties
        self._unsendable = (
            struct.error,
            TypeError,
            ValueError,
            AssertionError,
            pika.exceptions.ProtocolSyntaxError,
        )
        self._connection = pika.SelectConnection(
            parameters(url, f"mqchaos publisher to {plan.target}", timeout=min(patience, 5.0)),
            on_open_callback=self._opened,
            on_open_error_callback=self._ended,
            on_close_callback=self._ended,
        )

    def run(self) -> None:
        """Open the connection, send what is left of the flight, and return when the connection is closed."""
        self._flight.launch()
        try:
            self._connection.ioloop.start()
        finally:
            self._connection.ioloop.close()

    def interrupt(self) -> None:
        """Close the connection soon; called from any thread, at any time."""
        with suppress(Exception):  # the loop may be closed already, and pika says so in many ways
            self._connection.ioloop.add_callback_threadsafe(self._close)

    # --- opening and ending ---

    def _opened(self, connection: Any) -> None:
        connection.add_on_connection_blocked_callback(self._blocked)
        connection.add_on_connection_unblocked_callback(self._unblocked)
        connection.channel(on_open_callback=self._channel_opened)

    def _channel_opened(self, channel: Any) -> None:
        self._channel = channel
        channel.add_on_close_callback(self._channel_closed)
        channel.add_on_return_callback(self._returned)
        if self._plan.confirm:
            channel.confirm_delivery(self._answered, callback=self._ready)
        else:
            self._ready()

    def _ready(self, _answer: object = None) -> None:
        self._pump()
        self._tick()

    def _channel_closed(self, _channel: object, error: object) -> None:
        self.ended_by = self.ended_by or error
        if self._connection.is_open:
            self._close()

    def _ended(self, _connection: object, error: object) -> None:
        self.ended_by = self.ended_by or error
        self._connection.ioloop.stop()

    def _close(self) -> None:
        """Close by the protocol; drop it where that gets no answer in time."""
        if self._closing:
            return
        self._closing = True
        self._connection.ioloop.call_later(_CLOSE_TIMEOUT, lambda: abort(self._connection))
        if not (self._connection.is_closed or self._connection.is_closing):
            self._connection.close()

    def _tick(self) -> None:
        """Look from time to time whether it still gets on."""
        now = time.monotonic()
        flight = self._flight
        waits = not flight.in_air and (flight.waiting is None or flight.wait_for_next(now) > 0)
        if waits or self._outage():
            self.progress_at = now
        if now - self.progress_at > self._patience:
            self.stuck = True
            self.ended_by = self._blocked_by or f"no answer to {flight.in_air} messages"
            self._closing = True
            abort(self._connection)
        else:
            self._connection.ioloop.call_later(_TICK, self._tick)

    # --- sending ---

    def _pump(self) -> None:
        """Send what is due and has room, and notice the end."""
        if self._closing or self._blocked_by or not self._channel.is_open:
            return
        with one_write(self._connection):
            self._send_due()
        flight = self._flight
        if flight.landed:
            self._on_landed()
            self._close()
        elif not self._plan.confirm and (flight.waiting is None or not flight.room()):
            self._flush()

    def _send_due(self) -> None:
        flight = self._flight
        for _ in range(flight.room()):
            entry = flight.waiting
            if entry is None:
                return
            wait = flight.wait_for_next(time.monotonic())
            if wait > 0:
                self._timer = self._timer or self._connection.ioloop.call_later(wait, self._due)
                return
            self._send(entry)

    def _due(self) -> None:
        self._timer = None
        self._pump()

    def _send(self, entry: Planned) -> None:
        message = entry.message
        try:
            properties = self._properties(
                headers=entry.headers, delivery_mode=2 if message.persistent else 1, **entry.properties
            )
            self._channel.basic_publish(
                self._names.full(message.exchange),
                self._names.key(message.exchange, message.routing_key),
                message.body,
                properties,
                message.mandatory,
            )
        except self._unsendable as error:
            self._on_failed(error)
        else:
            self._flight.sent()
            self.progress_at = time.monotonic()

    def _flush(self) -> None:
        """Without confirms: a question whose answer says that the channel is done with all before it."""
        if not self._flushing:
            self._flushing = True
            tag = self._flight.last_tag
            self._channel.basic_qos(prefetch_count=0, callback=lambda _answer: self._flushed(tag))

    def _flushed(self, tag: int) -> None:
        self._flushing = False
        self.progress_at = time.monotonic()
        self._flight.answered(tag, multiple=True, outcome="sent")
        self._pump()

    # --- answers ---

    def _answered(self, frame: Any) -> None:
        method = frame.method
        outcome: Outcome = "confirmed" if method.NAME == "Basic.Ack" else "nacked"
        self.progress_at = time.monotonic()
        self._flight.answered(method.delivery_tag, multiple=method.multiple, outcome=outcome)
        self._pump()

    def _returned(self, _channel: object, _method: object, properties: Any, _body: bytes) -> None:
        identity = (properties.headers or {}).get(ID_HEADER)
        if isinstance(identity, str):
            self._flight.returned(identity)

    def _blocked(self, _connection: object, frame: Any) -> None:
        self._blocked_by = f"the broker blocks publishers: {frame.method.reason}"

    def _unblocked(self, _connection: object, _frame: object) -> None:
        self._blocked_by = ""
        self._pump()
