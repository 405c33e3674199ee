"""The depth of the queues: how many messages waited at the broker and how many were in a consumer's hand.

Followed by the wire, frame by frame, and put right by each census that was taken while nothing moved: what a broker
forgets over a restart no frame tells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_mqchaos.model import events as e
from pytest_mqchaos.report.figures.standing import Standing, Ways

__all__ = ["Depth"]

_STILL = 100_000_000
"""Nanoseconds without a frame after which a census is taken at its word."""
_POINTS = 600

Place = tuple[int, int, int]


class Depth:
    """Gathers the depth of a run's working queues.

    Args:
        start: the moment that counts as zero, in nanoseconds.
        ways: to which queues its publications lead.
    """

    def __init__(self, start: int, ways: Ways) -> None:
        self._start = start
        self._ways = ways
        self._queues: set[str] = set()
        self._standing = Standing(ways.limits)
        self._sent: dict[str, list[str]] = {}
        """Where the last publication of a message led to."""
        self._open: dict[int, dict[Place, tuple[str, str]]] = {}
        """What is in hand: message and queue, by connection."""
        self._in_hand = self._last = 0
        self._series: list[tuple[float, int, int]] = []
        self.at_strikes: dict[int, tuple[int, int]] = {}
        """How many waited and were in hand when a fault struck, by the identity of its event."""

    def handlers(self) -> Mapping[type[e.Event], Callable[[Any], None]]:
        """Return what takes each kind of event in."""
        return {
            e.Published: self._published,
            e.Returned: self._returned,
            e.PublishNacked: self._refused,
            e.Republished: self._republished,
            e.Delivered: self._delivered,
            e.Acked: self._settled,
            e.Nacked: self._settled,
            e.Rejected: self._settled,
            e.ChannelClosed: self._channel_closed,
            e.Recovered: self._channel_closed,
            e.LinkLost: self._link_lost,
            e.CensusTaken: self._counted,
            e.FaultFired: self._struck,
        }

    def _note(self, at: int) -> None:
        self._last = at
        self._series.append(((at - self._start) / 1e9, self._standing.count, self._in_hand))

    def _published(self, event: e.Published) -> None:
        if event.passed:
            if not event.exchange:
                self._queues.add(event.routing_key)
            self._sent[event.message] = self._ways.of(event)
            self._standing.put(event.message, self._sent[event.message])
            self._note(event.at)

    def _returned(self, event: e.Returned) -> None:
        self._standing.returned(event.message, self._sent.get(event.message, ()))
        self._note(event.at)

    def _refused(self, event: e.PublishNacked) -> None:
        queues = [each for each in self._sent.get(event.message, ()) if each in self._ways.refusing]
        if queues:
            self._standing.returned(event.message, queues)
            self._note(event.at)

    def _republished(self, event: e.Republished) -> None:
        queues = self._ways.of(event) if event.passed else []
        if queues:
            self._standing.put(event.message, queues)
            self._note(event.at)

    def _delivered(self, event: e.Delivered) -> None:
        if event.message is None or event.queue not in self._ways.working:
            return
        self._queues.add(event.queue)
        self._standing.take(event.message, event.queue, dead=event.deaths is not None)
        if not event.auto_ack:
            place = (event.connection, event.channel, event.tag)
            self._open.setdefault(event.connection, {})[place] = event.message, event.queue
            self._in_hand += 1
        self._note(event.at)

    def _settled(self, event: e.Acked | e.Nacked | e.Rejected) -> None:
        here = self._open.get(event.connection, {})
        place = (event.connection, event.channel, event.tag)
        if event.passed and place in here:
            message, queue = here.pop(place)
            self._in_hand -= 1
            if not isinstance(event, e.Acked):
                if event.requeue:
                    self._standing.put(message, [queue], back=True)
                else:
                    self._standing.rejected(message)
            self._note(event.at)

    def _channel_closed(self, event: e.LinkEvent) -> None:
        here = self._open.get(event.connection, {})
        self._back(event, [place for place in here if place[1] == event.channel])

    def _link_lost(self, event: e.LinkLost) -> None:
        self._back(event, list(self._open.get(event.connection, {})))

    def _back(self, event: e.LinkEvent, places: list[Place]) -> None:
        for place in places:
            message, queue = self._open[event.connection].pop(place)
            self._standing.put(message, [queue], back=True)
        self._in_hand -= len(places)
        if places:
            self._note(event.at)

    def _counted(self, event: e.CensusTaken) -> None:
        held = [state for state in event.queues if state.name in self._queues]
        if event.at - self._last < _STILL or not held or not all(state.exact for state in held):
            return
        ready = sum(state.ready for state in held)
        if ready != self._standing.count:
            self._standing.set(ready)
            self._note(event.at)

    def _struck(self, event: e.FaultFired) -> None:
        self.at_strikes[id(event)] = self._standing.count, self._in_hand

    def figure(self, timeline: Mapping[str, Any]) -> dict[str, Any]:
        """Return the depth as `[moment, waiting, in hand]`, one for each change or for each step of the timeline."""
        step = timeline["step"] or (timeline["until"] - timeline["from"]) / _POINTS
        changes = self._series
        if len(changes) > _POINTS:
            steps = {int((each[0] - timeline["from"]) / step): each for each in changes}
            changes = list(steps.values())
        return {
            "most_waiting": max((waiting for _, waiting, _ in self._series), default=0),
            "most_in_hand": max((in_hand for _, _, in_hand in self._series), default=0),
            "points": [[round(at, 5), waiting, in_hand] for at, waiting, in_hand in changes],
        }
