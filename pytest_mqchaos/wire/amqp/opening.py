"""What the client says to open and close a connection and its channels."""

from __future__ import annotations

from pytest_mqchaos.wire.amqp.calls import Call
from pytest_mqchaos.wire.amqp.channels import Channel, Connection
from pytest_mqchaos.wire.amqp.events import ChannelOpened, Tuned
from pytest_mqchaos.wire.amqp.protocol import Method
from pytest_mqchaos.wire.amqp.tables import decode_table, text

__all__ = ["channel_open", "connection_open", "start_ok", "tune_ok"]


def start_ok(connection: Connection, call: Call) -> None:
    """Read the user's name where the mechanism shows it.

    A response of PLAIN is identity, name and password, split by NUL; one of AMQPLAIN (py-amqp, so Celery) is a
    field table without its length.
    """
    call.table()
    mechanism, response = call.short_bytes(), call.long_bytes()
    if mechanism == b"PLAIN":
        parts = response.split(b"\0")
        connection.user = text(parts[1]) if len(parts) == 3 else None
    elif mechanism == b"AMQPLAIN":
        login = decode_table(response, 0, len(response)).get("LOGIN")
        connection.user = login if isinstance(login, str) else None


def tune_ok(connection: Connection, call: Call) -> Tuned:
    """Read the limits that the client chose."""
    channel_max, frame_max, heartbeat = call.short(), call.long(), call.short()
    return Tuned(heartbeat=heartbeat, frame_max=frame_max, channel_max=channel_max)


def connection_open(connection: Connection, call: Call) -> None:
    """Read the virtual host; the server's answer makes it a fact."""
    connection.vhost = call.short_text()


def channel_open(connection: Connection, call: Call) -> None:
    """Start a channel anew: numbers are used again, their state is not."""
    channel = connection.channels[call.channel] = Channel(call.channel)

    def opened(_: Call | None) -> ChannelOpened:
        channel.is_open = True
        return ChannelOpened(channel.number)

    channel.ask(Method.CHANNEL_OPEN_OK, call, opened)
