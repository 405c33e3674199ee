"""How the load of a queue was shared by those who read it at the same time: in turn, or by who had the least in hand.

RabbitMQ goes round: the next message is for the reader, among those whose prefetch leaves room, that was served longest
ago. Who works faster then has less in hand, and more of the load. A single active consumer is served alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_mqchaos.model import events as e

__all__ = ["Sharing"]

Key = tuple[str, int, int, str]
"""A reader: link, connection, channel, consumer tag."""


@dataclass(slots=True)
class _Reader:
    queue: str
    prefetch: int
    in_hand: int = 0
    served: int = -1
    """The number of its last delivery, -1 before the first."""

    @property
    def room(self) -> bool:
        return not self.prefetch or self.in_hand < self.prefetch


class Sharing:
    """Counts, delivery by delivery, whose turn it was and who had the least in hand."""

    def __init__(self) -> None:
        self._readers: dict[Key, _Reader] = {}
        self._hands: dict[tuple[str, int, int, int], _Reader] = {}
        self._rows: dict[str, dict[str, Any]] = {}
        self._count = 0

    def handlers(self) -> Mapping[type[e.Event], Callable[[Any], None]]:
        """Return what takes each kind of event in."""
        return {
            e.Subscribed: self._subscribed,
            e.Unsubscribed: self._left,
            e.ConsumerCancelled: self._left,
            e.LinkLost: self._left,
            e.ChannelClosed: self._left,
            e.Delivered: self._delivered,
            **dict.fromkeys((e.Acked, e.Nacked, e.Rejected), self._settled),
        }

    def _subscribed(self, event: e.Subscribed) -> None:
        key = (event.link, event.connection, event.channel, event.consumer_tag)
        self._readers[key] = _Reader(event.queue, 0 if event.auto_ack else event.prefetch)

    def _left(self, event: e.Unsubscribed | e.ConsumerCancelled | e.LinkLost | e.ChannelClosed) -> None:
        gone: tuple[Any, ...] = (event.link, event.connection)
        if not isinstance(event, e.LinkLost):
            gone += (event.channel,)
        if isinstance(event, e.Unsubscribed | e.ConsumerCancelled):
            gone += (event.consumer_tag,)
        self._readers = {key: one for key, one in self._readers.items() if key[: len(gone)] != gone}

    def _delivered(self, event: e.Delivered) -> None:
        self._count += 1
        mine = self._readers.get((event.link, event.connection, event.channel, event.consumer_tag))
        if mine is None or event.get:
            return
        among = [one for one in self._readers.values() if one.queue == mine.queue]
        if len(among) > 1:
            self._judge(mine, among)
        mine.served = self._count
        if not event.auto_ack:
            mine.in_hand += 1
            self._hands[event.link, event.connection, event.channel, event.tag] = mine

    def _judge(self, mine: _Reader, among: list[_Reader]) -> None:
        nothing = {"queue": mine.queue, "readers": 0, "deliveries": 0, "in_turn": 0, "least_busy": 0}
        row = self._rows.setdefault(mine.queue, nothing)
        able = [one for one in among if one.room or one is mine]
        row["readers"] = max(row["readers"], len(among))
        row["deliveries"] += 1
        row["in_turn"] += mine.served == min(one.served for one in able)
        row["least_busy"] += mine.in_hand == min(one.in_hand for one in among)

    def _settled(self, event: e.Acked | e.Nacked | e.Rejected) -> None:
        reader = self._hands.pop((event.link, event.connection, event.channel, event.tag), None)
        if reader is not None:
            reader.in_hand -= 1

    def figure(self) -> list[dict[str, Any]]:
        """Return for each queue with several readers at a time how its deliveries went among them."""
        return list(self._rows.values())
