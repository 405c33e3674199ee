"""What the frames of the server mean: deliveries, confirms, and the answers to what the client asked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from struct import Struct
from typing import Final

from pytest_mqchaos.wire.amqp.calls import Call, MethodHandler, reading
from pytest_mqchaos.wire.amqp.channels import Channel, Connection, Consumer, QueueName
from pytest_mqchaos.wire.amqp.contents import ContentBuilder
from pytest_mqchaos.wire.amqp.events import (
    Blocked,
    CancelledByBroker,
    ConfirmReceived,
    ConnectionStarted,
    Delivered,
    GotEmpty,
    Opened,
    ReturnReceived,
    Unblocked,
    WireEvent,
)
from pytest_mqchaos.wire.amqp.properties import Properties, digest
from pytest_mqchaos.wire.amqp.protocol import Method
from pytest_mqchaos.wire.amqp.tables import MalformedError, text

__all__ = ["ServerMethods"]

_TAG: Final = Struct(">QB").unpack_from
_SHORT: Final = Struct(">H").unpack_from
_ANSWERS: Final = (
    Method.CHANNEL_OPEN_OK,
    Method.EXCHANGE_DECLARE_OK,
    Method.EXCHANGE_BIND_OK,
    Method.EXCHANGE_UNBIND_OK,
    Method.EXCHANGE_DELETE_OK,
    Method.QUEUE_DECLARE_OK,
    Method.QUEUE_BIND_OK,
    Method.QUEUE_UNBIND_OK,
    Method.QUEUE_PURGE_OK,
    Method.QUEUE_DELETE_OK,
    Method.BASIC_QOS_OK,
    Method.BASIC_CANCEL_OK,
    Method.CONFIRM_SELECT_OK,
    Method.TX_SELECT_OK,
    Method.TX_COMMIT_OK,
    Method.TX_ROLLBACK_OK,
)
"""Answers that mean what the request left behind, in the order of the requests."""


def _answer(method: Method, connection: Connection, call: Call) -> WireEvent | None:
    channel = connection.channels.get(call.channel)
    return None if channel is None else channel.answered(method, call)


def _started(_: Connection, _call: Call) -> ConnectionStarted:
    return ConnectionStarted()


def _opened(connection: Connection, _: Call) -> Opened:
    return Opened(connection.vhost, connection.user)


def _blocked(_connection: Connection, call: Call) -> Blocked:
    return Blocked(call.short_text())


def _unblocked(_connection: Connection, _call: Call) -> Unblocked:
    return Unblocked()


def _consume_ok(connection: Connection, call: Call) -> WireEvent | None:
    """Answer the subscription with this tag, or else the oldest that left its tag to the server."""
    channel = connection.channel(call.channel)
    tag = call.short_bytes()
    call.rewind()
    named = channel.answered((Method.BASIC_CONSUME_OK, tag), call)
    return named or channel.answered((Method.BASIC_CONSUME_OK, b""), call)


def _cancelled(_connection: Connection, call: Call) -> CancelledByBroker:
    return CancelledByBroker(call.channel, call.short_text())


def _get_empty(connection: Connection, call: Call) -> GotEmpty | None:
    channel = connection.channel(call.channel)
    return GotEmpty(call.channel, channel.gets.popleft()[0].text) if channel.gets else None


_CALLS: Final[dict[Method, Callable[[Connection, Call], WireEvent | None]]] = {
    Method.CONNECTION_START: _started,
    Method.CONNECTION_OPEN_OK: _opened,
    Method.CONNECTION_CLOSE: partial(Connection.close, by="server"),
    Method.CONNECTION_CLOSE_OK: Connection.closed,
    Method.CONNECTION_BLOCKED: _blocked,
    Method.CONNECTION_UNBLOCKED: _unblocked,
    Method.CHANNEL_CLOSE: partial(Connection.close_channel, by="server"),
    Method.CHANNEL_CLOSE_OK: partial(Connection.channel_closed, by="client"),
    Method.BASIC_CONSUME_OK: _consume_ok,
    Method.BASIC_CANCEL: _cancelled,
    Method.BASIC_GET_EMPTY: _get_empty,
    **{method: partial(_answer, method) for method in _ANSWERS},
}


class ServerMethods:
    """Reads what the server sends: `handlers` by method number, and `builders` for methods with a content."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._channels = connection.channels
        self.handlers: dict[int, MethodHandler] = {
            int(method): reading(partial(call, connection)) for method, call in _CALLS.items()
        }
        self.handlers[int(Method.BASIC_ACK)] = self._ack
        self.handlers[int(Method.BASIC_NACK)] = self._nack
        self.builders: dict[int, ContentBuilder] = {
            int(Method.BASIC_DELIVER): self._deliver,
            int(Method.BASIC_GET_OK): self._get_ok,
            int(Method.BASIC_RETURN): self._return,
        }

    def _ack(self, data: bytes, start: int, stop: int, number: int, _at: int) -> ConfirmReceived:
        tag, bits = _TAG(data, start)
        return self._confirm(number, tag, stop - start, bits & 1, nack=False)

    def _nack(self, data: bytes, start: int, stop: int, number: int, _at: int) -> ConfirmReceived:
        tag, bits = _TAG(data, start)
        return self._confirm(number, tag, stop - start, bits & 1, nack=True)

    def _confirm(self, number: int, tag: int, length: int, multiple: int, *, nack: bool) -> ConfirmReceived:
        if length != 9:
            raise MalformedError("a confirm has 9 octets of arguments")
        ledger = self._connection.channel(number).confirms
        if not multiple:
            taken = ledger.take(tag)
        elif tag == 0:
            taken = ledger.take_all()
        else:
            taken = ledger.take_up_to(tag)
        return ConfirmReceived(number, nack, tag, bool(multiple), taken)

    def _deliver(
        self, data: bytes, start: int, stop: int, number: int, raw: bytes, body: bytes | None, size: int
    ) -> Delivered:
        """Read a delivery: consumer tag, delivery tag, flag, exchange, routing key."""
        after = start + 1 + data[start]
        tag, redelivered = _TAG(data, after)
        key = after + 10 + data[after + 9]
        if key + 1 + data[key] != stop:
            raise MalformedError("the arguments of a delivery do not fill their frame")
        channel = self._channels.get(number) or self._connection.channel(number)
        name = data[start + 1 : after]
        consumer = channel.consumers.get(name) or _stranger(channel, name)
        if not consumer.auto_ack:
            channel.deliveries.add(tag)
        return Delivered(
            number,
            consumer.tag,
            tag,
            redelivered & 1 == 1,
            text(data[after + 10 : key]),
            text(data[key + 1 : stop]),
            consumer.queue.text,
            consumer.auto_ack,
            Properties(raw),
            body,
            None if body is None else digest(body),
            size,
            False,
        )

    def _get_ok(
        self, data: bytes, start: int, stop: int, number: int, raw: bytes, body: bytes | None, size: int
    ) -> Delivered:
        """Read the answer to a get as what it is: a delivery to a consumer without a tag."""
        call = Call(data[start:stop], number, 0)
        tag, redelivered, exchange, key = call.long_long(), call.octet(), call.short_text(), call.short_text()
        channel = self._connection.channel(number)
        queue, auto_ack = channel.gets.popleft() if channel.gets else (QueueName(""), False)
        if not auto_ack:
            channel.deliveries.add(tag)
        return Delivered(
            channel=number,
            consumer_tag="",
            delivery_tag=tag,
            redelivered=bool(redelivered & 1),
            exchange=exchange,
            routing_key=key,
            queue=queue.text,
            auto_ack=auto_ack,
            properties=Properties(raw),
            body=body,
            digest=None if body is None else digest(body),
            size=size,
            get=True,
        )

    def _return(
        self, data: bytes, start: int, stop: int, number: int, raw: bytes, body: bytes | None, _size: int
    ) -> ReturnReceived:
        call = Call(data[start:stop], number, 0)
        return ReturnReceived(
            number,
            call.short(),
            call.short_text(),
            call.short_text(),
            call.short_text(),
            Properties(raw),
            body,
            None if body is None else digest(body),
        )


def _stranger(channel: Channel, name: bytes) -> Consumer:
    """Return whose delivery this is when the answer to its subscription has not come yet."""
    waiting = channel.unnamed
    tag = text(name)
    if waiting is None:
        return Consumer(tag, QueueName(""), False)
    return Consumer(tag, waiting.queue, waiting.auto_ack)
