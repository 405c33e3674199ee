"""Channels and subscriptions: what is open on a connection."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from pytest_mqchaos.model.copies import Delivery

__all__ = ["Channel", "Subscription"]


@dataclass(frozen=True, slots=True)
class Subscription:
    """A consumer that reads a queue."""

    queue: str
    link: str
    connection: int
    channel: int
    consumer_tag: str
    auto_ack: bool
    prefetch: int
    index: int


@dataclass(slots=True, eq=False)
class Channel:
    """A channel of one connection, as the broker sees it."""

    closed: bool = False
    """Whether its end was asked for: what still comes in goes back at once."""
    open: dict[int, Delivery] = field(default_factory=dict)
    """Handed out and not settled, as the broker sees it."""
    void: dict[int, Delivery] = field(default_factory=dict)
    """Taken back by the broker while the channel is open: settling them settles nothing."""
    settling: dict[int, Delivery] = field(default_factory=dict)
    likely: list[Delivery] = field(default_factory=list)
    """Settled by all likelihood: a count of their queue says so, beside what is ready there."""
    uncommitted: list[Delivery] = field(default_factory=list)
    """Settled in the transaction that is open."""
    committing: deque[list[Delivery]] = field(default_factory=deque)
    """Settled in transactions whose commit was passed on and not answered yet, the oldest first."""
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
