"""Heartbeats: what clients and broker agreed on, and connections that one side gave up since it heard nothing.

```
last frame ──────── silence ────────► the link is lost, without a close: by the broker, or by the client
            agreed on: a beat every half of the heartbeat; two missed ones are the end
```
Heartbeats themselves are no events. A loss counts as their doing if it came without a close, the side that gave up had
not been sent a frame for a heartbeat at least, and neither a stop of the broker nor the end of a process explains it.
What a side sends itself breaks no silence of the other: a broker hands messages to a consumer that stands still, and
gives it up for all that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.messages import Message
from pytest_mqchaos.model.surroundings import Strike

__all__ = ["Heartbeats"]

_REAPED = 1_000_000_000
"""Nanoseconds within which the end of a process is noticed."""
_FRAMES = frozenset(
    kind for kind in map(vars(e).get, e.__all__) if isinstance(kind, type) and issubclass(kind, e.LinkEvent)
)
"""Every event that a frame on a connection makes."""
_BROKERS = frozenset({
    e.Delivered, e.Streamed, e.Confirmed, e.PublishNacked, e.Returned, e.OwnConfirmed, e.ConsumerCancelled,
})  # fmt: skip
"""Those of a frame that the broker sent: it tells nothing of when the client was heard."""
_CLIENTS = frozenset({
    e.Acked, e.Nacked, e.Rejected, e.UnknownSettlement, e.Published, e.Republished, e.Emitted, e.CommitSent,
    e.Processed,
})  # fmt: skip
"""Those of a frame to the broker that needs no answer, or whose answer is another event. Behind `Processed` is a
question of ours on the client's connection, whose answer it never sees. All others stand for a question and its answer.
"""
_TOLD = 20
_MESSAGES = 10


@dataclass(slots=True)
class _Line:
    """One connection while it is open."""

    heartbeat: int
    heard: dict[str, int]
    """When the broker, and when the client, was sent a frame last."""
    held: dict[tuple[int, int], str] = field(default_factory=dict)
    """Messages in hand, by channel and tag."""


@dataclass(frozen=True, slots=True)
class _Loss:
    event: e.LinkLost
    line: _Line

    @property
    def since(self) -> int:
        """When the side that gave up heard something last."""
        return self.line.heard[self.event.by]


class Heartbeats:
    """Follows the connections of consumers and producers.

    Args:
        start: the moment that counts as zero, in nanoseconds.
        messages: the workload.
        in_force: the strikes that disturbed somebody, in their order, each with when it was over, in nanoseconds.
    """

    def __init__(
        self, start: int, messages: Mapping[str, Message], in_force: Sequence[tuple[Strike, int]] = ()
    ) -> None:
        self._in_force = in_force
        self._start = start
        self._messages = messages
        self._open: dict[int, _Line] = {}
        self._agreed: Counter[int] = Counter()
        self._losses: list[_Loss] = []
        self._ends: list[e.ConsumerEnded] = []
        self._stopped = False
        self._stopped_at = -_REAPED

    def handlers(self) -> Mapping[type[e.Event], Callable[[Any], None]]:
        """Return what takes each kind of event in."""
        return {
            **dict.fromkeys(_FRAMES, self._heard),
            e.LinkOpened: self._opened,
            e.LinkLost: self._lost,
            e.Delivered: self._delivered,
            **dict.fromkeys((e.Acked, e.Nacked, e.Rejected), self._settled),
            e.ChannelClosed: self._channel_closed,
            e.ConsumerEnded: self._ends.append,
            e.BrokerStopped: self._broker_stopped,
            e.BrokerStarted: self._broker_started,
        }

    def _opened(self, event: e.LinkOpened) -> None:
        if event.link != "publisher":
            self._open[event.connection] = _Line(event.heartbeat, {"broker": event.at, "client": event.at})
            self._agreed[event.heartbeat] += 1

    def _heard(self, event: e.LinkEvent) -> None:
        self._line(event)

    def _line(self, event: e.LinkEvent) -> _Line | None:
        """Return the connection that a frame was seen on, if it is looked at; who was sent it has heard something."""
        line = self._open.get(event.connection)
        if line is not None and getattr(event, "passed", True):
            if type(event) not in _BROKERS:
                line.heard["broker"] = event.at
            if type(event) not in _CLIENTS:
                line.heard["client"] = event.at
        return line

    def _delivered(self, event: e.Delivered) -> None:
        line = self._line(event)
        if line is not None and event.message is not None and event.passed and not event.auto_ack:
            line.held[event.channel, event.tag] = event.message

    def _settled(self, event: e.Acked | e.Nacked | e.Rejected) -> None:
        line = self._line(event)
        if line is not None and event.passed:
            line.held.pop((event.channel, event.tag), None)

    def _channel_closed(self, event: e.ChannelClosed) -> None:
        line = self._line(event)
        if line is not None:
            line.held = {key: name for key, name in line.held.items() if key[0] != event.channel}

    def _broker_stopped(self, event: e.BrokerStopped) -> None:
        if event.how != "freeze":  # a frozen one goes on later, and is not heard meanwhile
            self._stopped, self._stopped_at = True, event.at
            # Of one that dies by itself the connections are seen to end first.
            self._losses = [each for each in self._losses if event.at - each.event.at > _REAPED]

    def _broker_started(self, event: e.BrokerStarted) -> None:
        if event.how != "freeze":
            self._stopped, self._stopped_at = False, event.at

    def _lost(self, event: e.LinkLost) -> None:
        line = self._open.pop(event.connection, None)
        if line is None or event.clean or event.by == "fault" or not line.heartbeat:
            return
        last, loss = max(line.heard.values()), _Loss(event, line)
        down = self._stopped or last <= self._stopped_at or event.at - self._stopped_at <= _REAPED
        if not down and event.at - loss.since >= line.heartbeat * 1e9:
            self._losses.append(loss)

    def _behind(self, loss: _Loss) -> int | None:
        """Return the last fault that struck a link, or was still in force, within the silence; None if none did."""
        for strike, until in reversed(self._in_force):
            within = strike.event.at <= loss.event.at and until >= loss.since
            if within and strike.hits(loss.event.link):
                return strike.event.fault
        return None

    def _explained(self, loss: _Loss) -> bool:
        """Whether the process's own end took the connection along."""
        own = [one for one in self._ends if one.consumer == loss.event.link]
        near = [one for one in own if abs(one.at - loss.event.at) <= _REAPED]
        return any(loss.event.by == "client" or one.by != "itself" or one.at < loss.event.at for one in near)

    def figure(self) -> dict[str, Any] | None:
        """Return the figure for the document, None if nobody connected."""
        if not self._agreed:
            return None
        lost = [loss for loss in self._losses if not self._explained(loss)]
        return {
            "agreed": [
                {"heartbeat": seconds, "connections": count}
                for seconds, count in sorted(self._agreed.items())
            ],
            "timeouts": len(lost),
            "held": sum(len(loss.line.held) for loss in lost),
            "told": [self._told(loss) for loss in lost[:_TOLD]],
            "left_out": max(len(lost) - _TOLD, 0),
        }

    def _told(self, loss: _Loss) -> dict[str, Any]:
        event, line = loss.event, loss.line
        return {
            "consumer": event.link,
            "at": round((event.at - self._start) / 1e9, 6),
            "heartbeat": line.heartbeat,
            "silent": round((event.at - loss.since) / 1e9, 6),
            "by": event.by,
            "fault": self._behind(loss),
            "held": len(line.held),
            "messages": self._named(list(line.held.values())[:_MESSAGES]),
        }

    def _named(self, names: Sequence[str]) -> list[dict[str, Any]]:
        known = self._messages
        return [{"message": name, "number": known[name].number if name in known else 0} for name in names]
