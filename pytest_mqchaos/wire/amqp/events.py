r"""What one AMQP connection says, as values.

Every event belongs to one `Segment` of bytes. "Sent" events come from the client and "received" ones from
the server; what takes a request and an answer (a declaration, a subscription) is an event of the answer, or
of the request when it asks for none. Names and texts that are not UTF-8 are shown with `\xNN`.
The module is long because it is the vocabulary, read as one page; there is no behaviour in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pytest_mqchaos.wire.amqp.properties import Properties

__all__ = [
    "BarrierAnswered",
    "Blocked",
    "BodyPassed",
    "CancelledByBroker",
    "ChannelClosed",
    "ChannelClosing",
    "ChannelOpened",
    "ConfirmReceived",
    "ConfirmSelected",
    "ConnectionClosed",
    "ConnectionClosing",
    "ConnectionStarted",
    "Delivered",
    "ExchangeBound",
    "ExchangeDeclared",
    "ExchangeDeleted",
    "ExchangeUnbound",
    "GetRequested",
    "GotEmpty",
    "NotAmqp",
    "Opened",
    "Peer",
    "Prefetched",
    "PublishSent",
    "QueueBound",
    "QueueDeclared",
    "QueueDeleted",
    "QueuePurged",
    "QueueUnbound",
    "RecoverRequested",
    "ReturnReceived",
    "Settled",
    "Subscribed",
    "Tuned",
    "TxCommitRequested",
    "TxCommitted",
    "TxRolledBack",
    "TxSelected",
    "Unblocked",
    "Unsubscribed",
    "WireEvent",
]

Peer: TypeAlias = Literal["client", "server"]
"""The two ends of a connection; as a direction, the end that the bytes come from."""


@dataclass(frozen=True, slots=True)
class ConnectionStarted:
    """The server greeted: a broker that speaks AMQP 0-9-1 is there."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """The client chose the limits of the connection; heartbeat in seconds, 0 of anything means no limit."""

    heartbeat: int
    frame_max: int
    channel_max: int


@dataclass(frozen=True, slots=True)
class Opened:
    """The connection is open on a virtual host; `user` is None where the mechanism does not show it."""

    vhost: str
    user: str | None = None


@dataclass(frozen=True, slots=True)
class ConnectionClosing:
    """One side asked to close the connection."""

    by: Peer
    code: int
    text: str


@dataclass(frozen=True, slots=True)
class ConnectionClosed:
    """The other side agreed to close the connection: nothing follows."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """The server takes no publications from this connection until `Unblocked`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unblocked:
    """The server takes publications again."""


@dataclass(frozen=True, slots=True)
class ChannelOpened:
    """A channel is open; its delivery tags and confirm numbers start at 1."""

    channel: int


@dataclass(frozen=True, slots=True)
class ChannelClosing:
    """One side asked to close a channel; if it was the server, what follows counts for nothing."""

    channel: int
    by: Peer
    code: int
    text: str


@dataclass(frozen=True, slots=True)
class ChannelClosed:
    """The other side agreed to what `by` asked: the channel's open deliveries are the broker's again."""

    channel: int
    by: Peer


@dataclass(frozen=True, slots=True)
class QueueDeclared:
    """A queue exists; `queue` is its real name also where the server chose it."""

    channel: int
    queue: str
    durable: bool
    exclusive: bool
    auto_delete: bool
    passive: bool
    arguments: dict[str, object] = field(hash=False)


@dataclass(frozen=True, slots=True)
class ExchangeDeclared:
    """An exchange exists."""

    channel: int
    exchange: str
    type: str
    durable: bool
    auto_delete: bool
    internal: bool
    passive: bool
    arguments: dict[str, object] = field(hash=False)


@dataclass(frozen=True, slots=True)
class QueueBound:
    """A queue is bound to an exchange."""

    channel: int
    queue: str
    exchange: str
    routing_key: str
    arguments: dict[str, object] = field(hash=False)


@dataclass(frozen=True, slots=True)
class QueueUnbound:
    """A queue is bound to an exchange no more."""

    channel: int
    queue: str
    exchange: str
    routing_key: str


@dataclass(frozen=True, slots=True)
class ExchangeBound:
    """An exchange gets what another one, `source`, takes in."""

    channel: int
    exchange: str
    source: str
    routing_key: str
    arguments: dict[str, object] = field(hash=False)


@dataclass(frozen=True, slots=True)
class ExchangeUnbound:
    """An exchange is bound to another one no more."""

    channel: int
    exchange: str
    source: str
    routing_key: str


@dataclass(frozen=True, slots=True)
class ExchangeDeleted:
    """An exchange is gone, and its bindings with it."""

    channel: int
    exchange: str


@dataclass(frozen=True, slots=True)
class QueueDeleted:
    """A queue is gone, and `count` ready messages with it (None if the client asked for no answer)."""

    channel: int
    queue: str
    count: int | None


@dataclass(frozen=True, slots=True)
class QueuePurged:
    """The ready messages of a queue are gone: `count` of them (None if the client asked for no answer)."""

    channel: int
    queue: str
    count: int | None


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A consumer reads a queue. `prefetch` is what held when it asked; `global_prefetch` the channel's."""

    channel: int
    consumer_tag: str
    queue: str
    auto_ack: bool
    exclusive: bool
    prefetch: int
    arguments: dict[str, object] = field(hash=False)
    global_prefetch: int = 0


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """The client cancelled a subscription; deliveries that were on their way still follow."""

    channel: int
    consumer_tag: str


@dataclass(frozen=True, slots=True)
class CancelledByBroker:
    """The broker ended a subscription (queue deleted, node lost, time-out)."""

    channel: int
    consumer_tag: str


@dataclass(frozen=True, slots=True)
class Prefetched:
    """A prefetch holds: for new consumers of the channel, or with `global_` for the channel as a whole."""

    channel: int
    count: int
    global_: bool


@dataclass(frozen=True, slots=True)
class Delivered:
    """The server sent a message to a consumer, or with `get` in answer to a `GetRequested`.

    `queue` is empty if the consumer tag is unknown. `body` and `digest` are None for a body that streams.
    """

    channel: int
    consumer_tag: str
    delivery_tag: int
    redelivered: bool
    exchange: str
    routing_key: str
    queue: str
    auto_ack: bool
    properties: Properties
    body: bytes | None
    digest: str | None
    size: int
    get: bool


@dataclass(frozen=True, slots=True)
class BodyPassed:
    """The body of the last delivery on this channel, too large to be held, has passed whole."""

    channel: int
    digest: str


@dataclass(frozen=True, slots=True)
class GetRequested:
    """The client asked a queue for one message."""

    channel: int
    queue: str
    auto_ack: bool


@dataclass(frozen=True, slots=True)
class GotEmpty:
    """The queue that the client asked had no message ready."""

    channel: int
    queue: str


@dataclass(frozen=True, slots=True)
class Settled:
    """The client settled deliveries: `deliveries` are the open tags that this covers, in order.

    None are covered by a tag that is unknown or already settled, which the broker answers by closing the
    channel (a multiple settlement of tag 0 means all that are open, and may rightly be none). Where
    `transactional`, it counts with the commit and not at all with a rollback.
    """

    channel: int
    kind: Literal["ack", "nack", "reject"]
    delivery_tag: int
    multiple: bool
    requeue: bool
    deliveries: tuple[int, ...]
    transactional: bool = False


@dataclass(frozen=True, slots=True)
class RecoverRequested:
    """The client asked for its open deliveries once more."""

    channel: int
    requeue: bool
    deliveries: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TxSelected:
    """The channel is transactional."""

    channel: int


@dataclass(frozen=True, slots=True)
class TxCommitRequested:
    """The client asks that what the transaction holds be carried out; what it settles from now on is in the next."""

    channel: int


@dataclass(frozen=True, slots=True)
class TxCommitted:
    """The broker carried out what the transaction held."""

    channel: int


@dataclass(frozen=True, slots=True)
class TxRolledBack:
    """The broker forgot what the transaction held: its settlements are open again."""

    channel: int


@dataclass(frozen=True, slots=True)
class PublishSent:
    """The client published; `number` counts from 1 on a channel with confirms and is None on others."""

    channel: int
    exchange: str
    routing_key: str
    mandatory: bool
    properties: Properties
    body: bytes | None
    digest: str | None
    size: int
    number: int | None
    transactional: bool = False


@dataclass(frozen=True, slots=True)
class ConfirmSelected:
    """The broker confirms what is published on the channel."""

    channel: int


@dataclass(frozen=True, slots=True)
class ConfirmReceived:
    """The broker confirmed, or with `nack` refused, publications: `numbers` are those that waited for it."""

    channel: int
    nack: bool
    delivery_tag: int
    multiple: bool
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ReturnReceived:
    """The broker gave back a mandatory publication that no queue took; its confirm follows."""

    channel: int
    code: int
    text: str
    exchange: str
    routing_key: str
    properties: Properties
    body: bytes | None
    digest: str | None


@dataclass(frozen=True, slots=True)
class BarrierAnswered:
    """The broker processed everything sent on the channel before the barrier; its answer was swallowed."""

    channel: int


@dataclass(frozen=True, slots=True)
class NotAmqp:
    """The bytes from that side are not AMQP 0-9-1; from here on both directions pass unscanned."""

    direction: Peer
    reason: str


WireEvent: TypeAlias = (
    ConnectionStarted
    | Tuned
    | Opened
    | ConnectionClosing
    | ConnectionClosed
    | Blocked
    | Unblocked
    | ChannelOpened
    | ChannelClosing
    | ChannelClosed
    | QueueDeclared
    | ExchangeDeclared
    | ExchangeBound
    | ExchangeUnbound
    | ExchangeDeleted
    | QueueBound
    | QueueUnbound
    | QueueDeleted
    | QueuePurged
    | Subscribed
    | Unsubscribed
    | CancelledByBroker
    | Prefetched
    | Delivered
    | BodyPassed
    | GetRequested
    | GotEmpty
    | Settled
    | RecoverRequested
    | TxSelected
    | TxCommitRequested
    | TxCommitted
    | TxRolledBack
    | PublishSent
    | ConfirmSelected
    | ConfirmReceived
    | ReturnReceived
    | BarrierAnswered
    | NotAmqp
)
"""Any of them."""
