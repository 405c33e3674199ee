"""What the client says to have publications confirmed, or publications and settlements in transactions."""

from __future__ import annotations

from pytest_mqchaos.wire.amqp.calls import Call
from pytest_mqchaos.wire.amqp.channels import Connection
from pytest_mqchaos.wire.amqp.events import (
    ConfirmSelected,
    TxCommitRequested,
    TxCommitted,
    TxRolledBack,
    TxSelected,
    WireEvent,
)
from pytest_mqchaos.wire.amqp.protocol import Method

__all__ = ["confirm_select", "tx_commit", "tx_rollback", "tx_select"]


def confirm_select(connection: Connection, call: Call) -> WireEvent | None:
    """Number the publications from here on; asking again does not start again."""
    channel = connection.channel(call.channel)
    silent = bool(call.octet() & 1)
    channel.next_number = channel.next_number or 1
    return channel.ask(Method.CONFIRM_SELECT_OK, call, lambda _: ConfirmSelected(call.channel), silent=silent)


def tx_select(connection: Connection, call: Call) -> WireEvent | None:
    """Hold settlements and publications until the commit."""
    channel = connection.channel(call.channel)
    channel.transactional = True
    return channel.ask(Method.TX_SELECT_OK, call, lambda _: TxSelected(call.channel))


def tx_commit(connection: Connection, call: Call) -> WireEvent | None:
    """Make what the transaction held count."""
    channel = connection.channel(call.channel)
    channel.settled_in_transaction.clear()
    channel.ask(Method.TX_COMMIT_OK, call, lambda _: TxCommitted(call.channel))
    return TxCommitRequested(call.channel)


def tx_rollback(connection: Connection, call: Call) -> WireEvent | None:
    """Forget what the transaction held: its settlements are open again, as RabbitMQ has it."""
    channel = connection.channel(call.channel)
    channel.deliveries.restore(channel.settled_in_transaction)
    channel.settled_in_transaction.clear()
    return channel.ask(Method.TX_ROLLBACK_OK, call, lambda _: TxRolledBack(call.channel))
