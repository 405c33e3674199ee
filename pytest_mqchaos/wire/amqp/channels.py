"""What the scanner remembers of a connection, its channels and their consumers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TypeAlias

from pytest_mqchaos.wire.amqp.calls import Call
from pytest_mqchaos.wire.amqp.events import (
    ChannelClosed,
    ChannelClosing,
    ConnectionClosed,
    ConnectionClosing,
    Peer,
    WireEvent,
)
from pytest_mqchaos.wire.amqp.ledgers import Ledger

__all__ = ["Answer", "Channel", "Connection", "Consumer", "QueueName"]

Answer: TypeAlias = Callable[[Call | None], WireEvent | None]
"""What the answer of a request will mean, given its arguments (None where the request wants no answer)."""


@dataclass(slots=True)
class QueueName:
    """The name of a queue, empty until the server has chosen it; whoever refers to the queue shares this."""

    text: str


@dataclass(slots=True)
class Consumer:
    """One subscription."""

    tag: str
    queue: QueueName
    auto_ack: bool


class Channel:
    """One channel from its opening to its closing."""

    __slots__ = (
        "closing_at",
        "confirms",
        "consumers",
        "deliveries",
        "gets",
        "global_prefetch",
        "is_open",
        "last_queue",
        "next_number",
        "number",
        "prefetch",
        "refused",
        "settled_in_transaction",
        "transactional",
        "unnamed",
        "waiting",
    )

    def __init__(self, number: int) -> None:
        self.number = number
        self.is_open = False
        self.closing_at: int | None = None
        """Where in the client's stream it asked to close the channel."""
        self.refused = False
        """The server asked to close the channel: it reads nothing on it but the client's consent."""
        self.last_queue = QueueName("")
        self.consumers: dict[bytes, Consumer] = {}
        self.unnamed: Consumer | None = None
        """The last subscription whose tag the server is to choose."""
        self.gets: deque[tuple[QueueName, bool]] = deque()
        self.prefetch = 0
        self.global_prefetch = 0
        self.deliveries = Ledger()
        self.confirms = Ledger()
        self.next_number: int | None = None
        self.transactional = False
        self.settled_in_transaction: list[int] = []
        self.waiting: dict[Hashable, deque[tuple[int, Answer]]] = {}

    def queue(self, name: str) -> QueueName:
        """Return the queue of this name; the empty name means the last one declared on the channel."""
        return QueueName(name) if name else self.last_queue

    def ask(self, key: Hashable, call: Call, answer: Answer, *, silent: bool = False) -> WireEvent | None:
        """Note what the answer to a request will mean; a silent request is answered at once."""
        if silent:
            return answer(None)
        self.waiting.setdefault(key, deque()).append((call.at, answer))
        return None

    def slip_in(self, key: Hashable, at: int, answer: Answer) -> None:
        """Note a request of our own that stands behind position `at` of the client's stream."""
        requests = self.waiting.setdefault(key, deque())
        index = sum(position <= at for position, _ in requests)
        requests.insert(index, (at, answer))

    def answered(self, key: Hashable, reply: Call) -> WireEvent | None:
        """Return what the oldest request of this kind makes of its answer."""
        requests = self.waiting.get(key)
        if not requests:
            return None
        _, answer = requests.popleft()
        if not requests:
            del self.waiting[key]
        return answer(reply)


@dataclass(slots=True)
class Connection:
    """The state that both directions of a connection share."""

    vhost: str = ""
    user: str | None = None
    channels: dict[int, Channel] = field(default_factory=dict)
    closing_at: int | None = None
    """Where in the client's stream it asked to close the connection."""
    refused: bool = False
    """The server asked to close the connection."""

    def channel(self, number: int) -> Channel:
        """Return a channel; one whose opening was not seen is made up."""
        channel = self.channels.get(number)
        if channel is None:
            channel = self.channels[number] = Channel(number)
        return channel

    def close(self, call: Call, *, by: Peer) -> ConnectionClosing:
        """Note that one side asks to close the connection."""
        event = ConnectionClosing(by, call.short(), call.short_text())
        if by == "client":
            self.closing_at = call.at
        else:
            self.refused = True
        return event

    def closed(self, _: Call) -> ConnectionClosed:
        """Note that the other side agrees."""
        self.channels.clear()
        self.refused = True
        return ConnectionClosed()

    def close_channel(self, call: Call, *, by: Peer) -> ChannelClosing:
        """Note that one side asks to close a channel."""
        event = ChannelClosing(call.channel, by, call.short(), call.short_text())
        channel = self.channel(call.channel)
        if by == "client":
            channel.closing_at = call.at
        else:
            channel.refused = True
        return event

    def channel_closed(self, call: Call, *, by: Peer) -> ChannelClosed | None:
        """Note that the other side agrees to what `by` asked; consent to what nobody asks means nothing."""
        channel = self.channels.get(call.channel)
        if channel is None or not (channel.refused if by == "server" else channel.closing_at is not None):
            return None
        del self.channels[call.channel]
        return ChannelClosed(call.channel, by)
