"""What the frames of the client mean: what comes by the thousand is here, the rest by its topic."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from struct import Struct
from typing import Final, Literal

from pytest_mqchaos.wire.amqp.calls import Call, MethodHandler, reading
from pytest_mqchaos.wire.amqp.channels import Connection
from pytest_mqchaos.wire.amqp.contents import ContentBuilder
from pytest_mqchaos.wire.amqp.declarations import (
    exchange_bind,
    exchange_declare,
    exchange_delete,
    exchange_unbind,
    queue_bind,
    queue_declare,
    queue_delete,
    queue_purge,
    queue_unbind,
)
from pytest_mqchaos.wire.amqp.events import PublishSent, Settled, WireEvent
from pytest_mqchaos.wire.amqp.opening import channel_open, connection_open, start_ok, tune_ok
from pytest_mqchaos.wire.amqp.properties import Properties, digest
from pytest_mqchaos.wire.amqp.protocol import Method
from pytest_mqchaos.wire.amqp.subscriptions import cancel, consume, get, qos, recover
from pytest_mqchaos.wire.amqp.tables import MalformedError, text
from pytest_mqchaos.wire.amqp.transactions import confirm_select, tx_commit, tx_rollback, tx_select

__all__ = ["ClientMethods"]

_TAG: Final = Struct(">QB").unpack_from
_CALLS: Final[dict[Method, Callable[[Connection, Call], WireEvent | None]]] = {
    Method.CONNECTION_START_OK: start_ok,
    Method.CONNECTION_TUNE_OK: tune_ok,
    Method.CONNECTION_OPEN: connection_open,
    Method.CONNECTION_CLOSE: partial(Connection.close, by="client"),
    Method.CONNECTION_CLOSE_OK: Connection.closed,
    Method.CHANNEL_OPEN: channel_open,
    Method.CHANNEL_CLOSE: partial(Connection.close_channel, by="client"),
    Method.CHANNEL_CLOSE_OK: partial(Connection.channel_closed, by="server"),
    Method.EXCHANGE_DECLARE: exchange_declare,
    Method.EXCHANGE_BIND: exchange_bind,
    Method.EXCHANGE_UNBIND: exchange_unbind,
    Method.EXCHANGE_DELETE: exchange_delete,
    Method.QUEUE_DECLARE: queue_declare,
    Method.QUEUE_BIND: queue_bind,
    Method.QUEUE_UNBIND: queue_unbind,
    Method.QUEUE_PURGE: queue_purge,
    Method.QUEUE_DELETE: queue_delete,
    Method.BASIC_QOS: qos,
    Method.BASIC_CONSUME: consume,
    Method.BASIC_CANCEL: cancel,
    Method.BASIC_GET: get,
    Method.BASIC_RECOVER: recover,
    Method.BASIC_RECOVER_ASYNC: recover,
    Method.CONFIRM_SELECT: confirm_select,
    Method.TX_SELECT: tx_select,
    Method.TX_COMMIT: tx_commit,
    Method.TX_ROLLBACK: tx_rollback,
}


class ClientMethods:
    """Reads what the client sends: `handlers` by method number, and `builders` for methods with a content."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._channels = connection.channels
        self.handlers: dict[int, MethodHandler] = {
            int(method): reading(partial(call, connection)) for method, call in _CALLS.items()
        }
        self.handlers[int(Method.BASIC_ACK)] = self._ack
        self.handlers[int(Method.BASIC_NACK)] = self._nack
        self.handlers[int(Method.BASIC_REJECT)] = self._reject
        self.builders: dict[int, ContentBuilder] = {int(Method.BASIC_PUBLISH): self._publish}

    def _ack(self, data: bytes, start: int, stop: int, number: int, _at: int) -> Settled:
        tag, bits = _TAG(data, start)
        return self._settle(number, "ack", tag, stop - start, bits & 1, 0)

    def _nack(self, data: bytes, start: int, stop: int, number: int, _at: int) -> Settled:
        tag, bits = _TAG(data, start)
        return self._settle(number, "nack", tag, stop - start, bits & 1, bits & 2)

    def _reject(self, data: bytes, start: int, stop: int, number: int, _at: int) -> Settled:
        tag, bits = _TAG(data, start)
        return self._settle(number, "reject", tag, stop - start, 0, bits & 1)

    def _settle(
        self,
        number: int,
        kind: Literal["ack", "nack", "reject"],
        tag: int,
        length: int,
        multiple: int,
        requeue: int,
    ) -> Settled:
        """Resolve a settlement as the broker does: a multiple one of an unknown tag covers nothing."""
        if length != 9:
            raise MalformedError("a settlement has 9 octets of arguments")
        channel = self._channels.get(number) or self._connection.channel(number)
        ledger = channel.deliveries
        if not multiple:
            taken = ledger.take(tag)
        elif tag == 0:
            taken = ledger.take_all()
        else:
            taken = ledger.take_up_to(tag) if tag in ledger else ()
        if channel.transactional:
            channel.settled_in_transaction += taken
        return Settled(number, kind, tag, bool(multiple), bool(requeue), taken, channel.transactional)

    def _publish(
        self, data: bytes, start: int, stop: int, number: int, raw: bytes, body: bytes | None, size: int
    ) -> PublishSent:
        key = start + 3 + data[start + 2]  # two reserved octets, then the exchange
        bits = key + 1 + data[key]
        if bits + 1 != stop:
            raise MalformedError("the arguments of publish do not fill their frame")
        channel = self._channels.get(number) or self._connection.channel(number)
        confirmed = channel.next_number
        if confirmed is not None:
            channel.confirms.add(confirmed)
            channel.next_number = confirmed + 1
        return PublishSent(
            number,
            text(data[start + 3 : key]),
            text(data[key + 1 : bits]),
            bool(data[bits] & 1),
            Properties(raw),
            body,
            None if body is None else digest(body),
            size,
            confirmed,
            channel.transactional,
        )
