"""What the client says to open and close a connection and its channels."""

from __future__ import annotations

from pytest_mqchaos.wire.amqp.calls import Call
from pytest_mqchaos.wire.amqp.channels import Channel, Connection
from pytest_mqchaos.wire.amqp.events import ChannelOpened, Tuned
from pytest_mqchaos.wire.amqp.protocol import Method
from pytest_mqchaos.wire.amqp.tables import text

__all__ = ["channel_open", "connection_open", "start_ok", "tune_ok"]


def start_ok(connection: Connection, call: Call) -> None:
    """Read the user's name where the mechanism is PLAIN: identity, name and password, split by NUL."""
    call.table()
    mechanism, response = call.short_bytes(), call.long_bytes()
    parts = response.split(b"\0")
    if mechanism == b"PLAIN" and len(parts) == 3:
        connection.user = text(parts[1])


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
