"""What happened, as facts: the events of one run.

One clock stamps them all (`time.monotonic_ns`), one history holds them all: messages, links, processes, the
broker and the faults. A verdict is a function of this history and of nothing else.

```
publisher ──Published──► queue ──Delivered──► consumer ──Acked/Nacked/Rejected──► broker ──Processed
     ◄─Confirmed/Returned─┘                       └──Effected        └── Rested (read from a terminal queue)
```

Wire events carry where they were seen: `link` (the name of the consumer's or publisher's link, `"worker"`,
`"worker#2"`, `"publisher"`), `connection` (a number unique in the run) and `channel`. `passed` is False for a
frame that was sent and that a fault kept from its receiver. `message` is the id of a message of this run, or
None for traffic that is not ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pytest_mqchaos.model.topology import QueueState, Topology

__all__ = [
    "RESTED_BODY",
    "Acked",
    "Answered",
    "BrokerStarted",
    "BrokerStopped",
    "Called",
    "CensusTaken",
    "ChannelClosed",
    "ChannelOpened",
    "Claimed",
    "CommitSent",
    "Committed",
    "Confirmed",
    "ConsumerCancelled",
    "ConsumerEnded",
    "ConsumerFrozen",
    "ConsumerStarted",
    "ConsumerThawed",
    "Delivered",
    "Effected",
    "Emitted",
    "Event",
    "FaultArmed",
    "FaultFired",
    "FaultHealed",
    "Lagged",
    "LinkEvent",
    "LinkLost",
    "LinkOpened",
    "Nacked",
    "Noted",
    "OwnConfirmed",
    "Polled",
    "Processed",
    "PublishFailed",
    "PublishNacked",
    "Published",
    "QueueDeclared",
    "QueueDeleted",
    "QueuePurged",
    "Recovered",
    "Rejected",
    "Republished",
    "Rested",
    "Returned",
    "RolledBack",
    "SettleEnded",
    "SourceNamed",
    "Streamed",
    "Subscribed",
    "UnknownSettlement",
    "Unsubscribed",
]

RESTED_BODY = 1024
"""Bytes that are kept of the body of a message at rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact and the moment it was seen."""

    at: int
    """Nanoseconds of the monotonic clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkEvent(Event):
    """A fact seen on the wire."""

    link: str
    connection: int
    channel: int = 0


# --- the workload ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Published(LinkEvent):
    """A message of the workload was sent (`basic.publish` on our publisher's link, or a producer's)."""

    message: str
    exchange: str = ""
    routing_key: str = ""
    expiration: str | None = None
    """Its own time to live: milliseconds, as text."""
    digest: str | None = None
    """Of the body, where a producer sent it: sent again it may have another one."""
    passed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed(LinkEvent):
    """The broker took responsibility (publisher confirm), and the publisher was told unless not `passed`."""

    message: str
    passed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishNacked(LinkEvent):
    """The broker refused a message (`basic.nack` to a publisher)."""

    message: str
    passed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned(LinkEvent):
    """No queue took the message (`basic.return`). It beats the confirm that follows it."""

    message: str
    code: int = 0
    text: str = ""
    passed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed(Event):
    """A producer said that it sent a message (`probe.sent`, or a line in `$MQCHAOS_SENT`). `at` is when we read it."""

    message: str
    producer: str
    name: str
    """What it said: the id or key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishFailed(Event):
    """The message was never written to any socket."""

    message: str
    reason: str = ""


# --- deliveries and settlements ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered(LinkEvent):
    """One copy was handed to one consumer (`basic.deliver`, or the answer to `basic.get`)."""

    message: str | None
    tag: int
    queue: str
    consumer_tag: str = ""
    redelivered: bool = False
    get: bool = False
    auto_ack: bool = False
    exchange: str = ""
    routing_key: str = ""
    digest: str | None = None
    identified_by: Literal["header", "message_id", "key", "digest", ""] = ""
    deaths: str | None = None
    """A digest of the `x-death` header: it changes with each passage by a dead-letter exchange."""
    delivery_count: int | None = None
    """`x-delivery-count`, evidence only."""
    altered: tuple[str, ...] = ()
    """Properties and headers that are not as our publisher set them, by name."""
    passed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed(LinkEvent):
    """The body of a delivery that was too large to be held has passed whole."""

    message: str | None
    tag: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Acked(LinkEvent):
    """The consumer acknowledged one delivery (one event a delivery, also under `multiple`)."""

    message: str | None
    tag: int
    multiple: bool = False
    effect_seen: bool | None = None
    """Whether the message's effect was already there when the wire saw the ack: None if nobody could look."""
    transactional: bool = False
    passed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Nacked(LinkEvent):
    """The consumer gave one delivery back, or up (`basic.nack`)."""

    message: str | None
    tag: int
    requeue: bool
    multiple: bool = False
    effect_seen: bool | None = None
    transactional: bool = False
    passed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected(LinkEvent):
    """The consumer gave one delivery back, or up (`basic.reject`)."""

    message: str | None
    tag: int
    requeue: bool
    effect_seen: bool | None = None
    transactional: bool = False
    passed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownSettlement(LinkEvent):
    """A settlement named no open delivery: a second one, or a tag of another channel."""

    tag: int
    kind: Literal["ack", "nack", "reject"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Processed(LinkEvent):
    """A causal answer came back on this channel: every settlement passed on before its question was processed."""

    by: Literal["barrier"] = "barrier"
    asked: int | None = None
    """When the question was sent: a client that works on may have settled more since. None: none was sent since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered(LinkEvent):
    """`basic.recover`: the channel's open deliveries go back to the queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitSent(LinkEvent):
    """`tx.commit` was passed on: what is settled from now on is in the next transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed(LinkEvent):
    """`tx.commit-ok`: what the oldest commit without an answer was to carry out was processed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack(LinkEvent):
    """`tx.rollback`: the settlements since the last commit are void."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Republished(LinkEvent):
    """The application published a copy of a message of ours (retry, parking, hand-on)."""

    message: str
    exchange: str
    routing_key: str
    deaths: str | None = None
    expiration: str | None = None
    digest: str | None = None
    altered: tuple[str, ...] = ()
    """Properties and headers that are not as our publisher set them, by name."""
    persistent: bool | None = None
    """Whether it says that it is to outlast a stop of the broker (`delivery_mode` 2)."""
    passed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Emitted(LinkEvent):
    """A consumer published something of its own, which is no message of the workload."""

    message: None = None
    exchange: str = ""
    routing_key: str = ""
    passed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnConfirmed(LinkEvent):
    """The broker took responsibility for what a consumer published: a copy of a message of ours, or its own."""

    message: str | None = None
    passed: bool = True


# --- subscriptions, channels, links -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed(LinkEvent):
    """A consumer subscribed (`basic.consume-ok`)."""

    consumer_tag: str
    queue: str
    auto_ack: bool = False
    prefetch: int = 0
    """What was in force when it subscribed; 0 is none."""
    shared: bool = False
    """Whether that is the channel's, shared by its consumers (`global`): some queues honour it, some do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribed(LinkEvent):
    """A consumer ended its subscription (`basic.cancel` by the client)."""

    consumer_tag: str
    queue: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerCancelled(LinkEvent):
    """The broker ended a subscription (`basic.cancel` by the server). Later settlements on it settle nothing."""

    consumer_tag: str
    queue: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled(LinkEvent):
    """A consumer asked for a message (`basic.get`)."""

    queue: str
    auto_ack: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDeclared(LinkEvent):
    """A queue was declared by a client on this link."""

    queue: str
    durable: bool = False
    exclusive: bool = False
    auto_delete: bool = False
    passive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDeleted(LinkEvent):
    """A queue was deleted by a client on this link."""

    queue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePurged(LinkEvent):
    """A queue was purged by a client on this link."""

    queue: str
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelOpened(LinkEvent):
    """A channel is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelClosed(LinkEvent):
    """A channel ended; the broker requeues what was open on it."""

    by: Literal["client", "broker"]
    code: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkOpened(LinkEvent):
    """A client is connected to the broker (`connection.open-ok`)."""

    vhost: str = ""
    heartbeat: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkLost(LinkEvent):
    """A connection ended; the broker requeues what was open on it."""

    by: Literal["client", "broker", "fault"]
    clean: bool = False
    """Whether it was closed by the protocol (`connection.close`)."""
    code: int = 0
    text: str = ""


# --- consumers (processes) -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerStarted(Event):
    """A consumer's process runs."""

    consumer: str
    """The replica's name, which is its link's name."""
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerEnded(Event):
    """A consumer's process ended."""

    consumer: str
    pid: int
    exit_code: int | None
    """As of `subprocess`: negative for a signal."""
    by: Literal["itself", "fault", "plugin"]
    restarts: bool = False
    """Whether it is started again by its restart policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerFrozen(Event):
    """A consumer's processes are stopped (SIGSTOP)."""

    consumer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerThawed(Event):
    """A consumer's processes go on (SIGCONT)."""

    consumer: str


# --- effects, census, what rests -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Effected(Event):
    """The consumer's own evidence that it did its work for a message. `at` is when we read it."""

    message: str | None
    """None when the source names an id or key that was never published in this run."""
    source: str
    name: str
    """What the source said: the id or key."""
    consumer: str | None = None
    count: int = 1
    since: int | None = None
    """When we had looked there last and it was not there: it happened after that, and not after `at`.

    None where nobody had looked before.
    """
    in_order: bool = True
    """Whether its source tells the order of its effects, as a file does: those of one look stand as they happened."""
    planted: bool = False
    """Whether it is none, but counted by the canary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Called(Event):
    """A consumer called a service of ours for a message: the request is there, whole, and not answered yet."""

    message: str
    source: str
    """The service's name."""
    consumer: str | None
    """Whose address was called; None where that is nobody's."""
    request: str
    """Its first line: `POST /pay`."""
    attempt: int
    """Counted from 1 over all tries of this message there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Event):
    """A call of a message was answered; that of a caller that was killed with its request never is."""

    message: str
    source: str
    consumer: str | None
    attempt: int
    status: int
    refused: bool = False
    """Whether that was planned: one of the first tries of a message that is to fail there for a while."""
    repeated: bool = False
    """Whether the service had done it before, and knew the request again: no effect of its own."""
    heard: bool = True
    """Whether the caller was still there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceNamed(Event):
    """The test named a source of effects.

    Or one that stands inside of a consumer was found to be there: a function that is wrapped, the probe.
    """

    source: str
    kind: Literal["file", "call", "queue", "exchange", "output", "http", "function", "probe"]
    of: str | None = None
    """The consumer whose work it shows; None where it is anybody's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CensusTaken(Event):
    """What the broker holds, queue by queue."""

    topology: Topology
    queues: tuple[QueueState, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rested(Event):
    """A message was found in a terminal queue (read once, with automatic ack, after the census)."""

    message: str | None
    queue: str
    digest: str | None = None
    deaths: str | None = None
    death_reason: str | None = None
    """The reason of the last death (`rejected`, `expired`, `maxlen`, `delivery_limit`), None without a death."""
    death_queue: str | None = None
    identified_by: Literal["header", "message_id", "key", "digest", ""] = ""
    altered: tuple[str, ...] = ()
    """Properties and headers that are not as our publisher set them, by name."""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    """Its first `RESTED_BODY` bytes."""


# --- the broker and the faults -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerStopped(Event):
    """The broker is down."""

    how: Literal["restart", "crash", "freeze", "itself"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerStarted(Event):
    """The broker answers again."""

    how: Literal["restart", "crash", "freeze", "itself"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultArmed(Event):
    """A fault waits for its moment."""

    fault: int
    """The number of the fault in the run, from 0."""
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultFired(Event):
    """A fault struck."""

    fault: int
    description: str
    target: str = ""
    """Names of the links or consumers hit, comma separated; `broker`."""
    changed: bool = True
    """Whether the target felt anything (a connection was cut, a process died)."""
    actor: str = ""
    """Who did it: `toxiproxy`, `wire`, `signal`, `broker`, `publisher`."""
    trigger: str = ""
    """The event that it struck at, in words."""
    message: str | None = None
    delay: float = 0.0
    """Seconds from the moment X was seen to the strike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultHealed(Event):
    """What the fault disturbed is whole again."""

    fault: int
    idle: bool = False
    """Whether it was in force on other services only, and nobody used them from its strike on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleEnded(Event):
    """The end of one `settle`: the state that is judged."""

    settled: bool
    reason: str = ""
    """Why it ended unsettled, with the last state seen."""
    final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lagged(Event):
    """Our own clockwork came late: a measure of how busy the machine is."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted(Event):
    """Something that a reader of the account should know."""

    text: str
    data: dict[str, object] = field(default_factory=dict)
