"""The run as a queue: arrivals, service, and the wait in the queue, measured, by Little's law and by the textbook.

The server is a consumer (each of its links one), the queue all that was published and not begun. Work on a message
begins when it was delivered and its consumer is done with the one before; it ends with its effect or, where effects are
not seen as they happen, with its ack. From this follow

```
 λ  arrivals a second, over the time of publishing          μ  1 / mean time of service
 c  consumers that worked at a time                         ρ  λ / (c μ), the utilisation

 Wq measured                    mean time from publish to the beginning of the work
 Wq by Little's law             Lq / λ', the mean number waiting over the whole run by the throughput of it
 Wq of M/M/c                    C(c, λ/μ) / (c μ - λ), with Erlang's C; for c = 1 it is ρ / (μ - λ)
```
(J. D. C. Little, A proof for the queuing formula L = λW, Operations Research 9, 1961; L. Kleinrock, Queueing Systems I,
1975, section 3.5.) The number that waited is counted from the same moments that the wait is measured by, so Little's
law is no second measurement: the two agree where the queue begins and ends empty, and what was never begun parts them.
Who left without any work, dropped or settled, waits no more and is nobody that the throughput counts: it is left out of
both.
M/M/c wants Poisson arrivals, exponential service and a steady state, so `words` says where the run was none of it; and
where a consumer had several messages in hand, of which it may have worked on more than one at a time.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_right
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any, TypeAlias

from pytest_mqchaos.model import events as e
from pytest_mqchaos.report.figures.waits import Window

__all__ = ["Queueing", "erlang_c", "wait_in_queue"]

_Place: TypeAlias = tuple[int, int, str]
"""A connection, a channel, and a consumer tag."""
_FEW = 30
"""Fewer messages than this make no rate."""
_LIKE = (0.7, 1.3)
"""Coefficients of variation that may pass for an exponential distribution's 1."""


class Queueing:
    """Gathers when each message came, was begun and was done.

    Args:
        start: the moment that counts as zero, in nanoseconds.
        by_effect: whether effects are seen as they happen; else the work ends with the ack.
        poison: ids that nobody is to work on; they are no customers of this queue.
    """

    def __init__(self, start: int, *, by_effect: bool, poison: Container[str] = ()) -> None:
        self._start = start
        self._poison = poison
        self._by_effect = by_effect
        self._came: dict[str, float] = {}
        self._holder: dict[str, tuple[float, str]] = {}
        """When a message was delivered last, and on which link."""
        self._free: dict[str, float] = {}
        """When each consumer was done with the one before."""
        self._begun: dict[str, float] = {}
        self._services: list[float] = []
        self._spans: dict[str, tuple[float, float]] = {}
        """When each consumer began to work, and when it was done last."""
        self._in_hand: dict[str, dict[str, _Place]] = {}
        """What each consumer had and was not done with, and where it came."""
        self._most_in_hand = 0

    def handlers(self) -> Mapping[type[e.Event], Callable[[Any], None]]:
        """Return what takes each kind of event in."""
        end: type[e.Event] = e.Effected if self._by_effect else e.Acked
        taken: dict[type[e.Event], Callable[[Any], None]] = dict.fromkeys(
            (e.Acked, e.Nacked, e.Rejected), self._settled
        )
        return taken | {
            e.Published: self._sent,
            e.Delivered: self._handed,
            e.LinkLost: self._lost,
            **dict.fromkeys((e.ChannelClosed, e.Recovered), self._given_back),
            e.ConsumerCancelled: self._cancelled,
            end: self._done,
        }

    def _seconds(self, at: int) -> float:
        return (at - self._start) / 1e9

    def _sent(self, event: e.Published) -> None:
        if event.passed and event.message not in self._poison:
            self._came.setdefault(event.message, self._seconds(event.at))

    def _handed(self, event: e.Delivered) -> None:
        if event.message is not None and event.passed:
            self._holder[event.message] = self._seconds(event.at), event.link
            hand = self._in_hand.setdefault(event.link, {})
            hand[event.message] = event.connection, event.channel, event.consumer_tag
            self._most_in_hand = max(self._most_in_hand, len(hand))

    def _settled(self, event: e.Acked | e.Nacked | e.Rejected) -> None:
        self._in_hand.get(event.link, {}).pop(event.message or "", None)

    def _lost(self, event: e.LinkLost) -> None:
        self._let_go(event.link, event.connection)

    def _given_back(self, event: e.ChannelClosed | e.Recovered) -> None:
        self._let_go(event.link, event.connection, event.channel)

    def _cancelled(self, event: e.ConsumerCancelled) -> None:
        self._let_go(event.link, event.connection, event.channel, event.consumer_tag)

    def _let_go(self, link: str, *where: int | str) -> None:
        """Forget what a consumer has in hand of a connection, a channel of it, or a subscription on that."""
        hand = self._in_hand.get(link, {})
        self._in_hand[link] = {name: place for name, place in hand.items() if place[: len(where)] != where}

    def _done(self, event: e.Effected | e.Acked) -> None:
        message, at = event.message, self._seconds(event.at)
        held = None if message is None else self._holder.get(message)
        if message is not None and held is not None:
            self._in_hand.get(held[1], {}).pop(message, None)
        if message is None or held is None or message not in self._came or message in self._begun:
            return
        delivered, link = held
        begun = max(delivered, self._free.get(link, 0.0), self._came[message])
        self._begun[message] = min(begun, at)
        self._services.append(max(at - begun, 0.0))
        self._free[link] = max(at, self._free.get(link, 0.0))
        self._spans[link] = min(begun, self._spans.get(link, (begun, at))[0]), self._free[link]

    def figure(self, windows: Sequence[Window], left: Collection[str] = ()) -> dict[str, Any] | None:
        """Return the figures for the document; None where too little was worked on to speak of rates.

        Args:
            windows: when faults were in force.
            left: messages that are in the queue no more, whether or not anybody worked on them.
        """
        unserved = self._came.keys() & set(left) - self._begun.keys()
        came = sorted(self._came.values())
        service = statistics.fmean(self._services) if self._services else 0.0
        if len(self._begun) < 2 or came[-1] <= came[0] or not service:
            return None
        servers = self._at_a_time()
        arrivals = (len(came) - 1) / (came[-1] - came[0])
        rate = 1 / service
        utilisation = arrivals / (servers * rate)
        theirs = wait_in_queue(arrivals, rate, servers)
        return {
            "messages": len(self._begun),
            "servers": servers,
            "arrival_rate": round(arrivals, 6),
            "service_rate": round(rate, 6),
            "utilisation": round(utilisation, 6),
            "wait_measured": round(self._measured(), 6),
            "wait_little": round(self._little(unserved), 6),
            "never_begun": len(came) - len(self._begun) - len(unserved),
            "left_unserved": len(unserved),
            "most_in_hand": self._most_in_hand,
            "wait_model": None if theirs is None else round(theirs, 6),
            "model": "M/M/1" if servers == 1 else f"M/M/{servers}",
            "words": self._words(came, utilisation, windows),
        }

    def _at_a_time(self) -> int:
        """The most consumers that worked at a time: who takes over from another one is no second server."""
        spans = self._spans.values()
        return max(sum(first <= begun <= last for first, last in spans) for begun, _ in spans)

    def _measured(self) -> float:
        return statistics.fmean(begun - self._came[message] for message, begun in self._begun.items())

    def _little(self, unserved: Container[str]) -> float:
        """Lq / λ' from the number that waited at each moment, by the changes of it."""
        came = [(at, 1) for message, at in self._came.items() if message not in unserved]
        changes = sorted(came + [(at, -1) for at in self._begun.values()])
        first, last = changes[0][0], changes[-1][0]
        area, waiting, before = 0.0, 0, first
        for at, change in changes:
            area += waiting * (at - before)
            waiting += change
            before = at
        span = last - first
        return (area / span) / (len(self._begun) / span) if span else 0.0

    def _words(self, came: Sequence[float], utilisation: float, windows: Sequence[Window]) -> list[str]:
        """Return in words why the model does not fit, if so."""
        told = []
        if len(self._begun) < _FEW:
            told.append(f"{len(self._begun)} messages are few for a rate")
        if utilisation >= 1:
            told.append("more came than could be worked on: there is no steady state")
        between = _variation([later - earlier for earlier, later in pairwise(came)])
        if between is not None and not _LIKE[0] <= between <= _LIKE[1]:
            told.append(
                f"arrivals were no Poisson process (variation {between:.2f}, a Poisson process has 1)"
            )
        within = _variation(self._services)
        if within is not None and not _LIKE[0] <= within <= _LIKE[1]:
            told.append(f"service was not exponential (variation {within:.2f}, an exponential one has 1)")
        if self._most_in_hand > 1:
            had = f"one had {self._most_in_hand} messages in hand"
            told.append(f"a consumer counts as one server, whatever threads it has: {had}")
        met = self._met(windows)
        if met:
            told.append(f"{met} of {len(self._begun)} messages waited while a fault struck or was in force")
        return told

    def _met(self, windows: Sequence[Window]) -> int:
        """Count the messages that waited while one of these windows, ordered by their beginnings, was open."""
        sinces = [since for since, _ in windows]
        latest = list(accumulate((until for _, until in windows), max))
        found = 0
        for message, begun in self._begun.items():
            before = bisect_right(sinces, begun)
            found += before > 0 and latest[before - 1] >= self._came[message]
        return found


def _variation(values: Sequence[float]) -> float | None:
    """The coefficient of variation: deviation by mean."""
    if len(values) < 2 or not (mean := statistics.fmean(values)):
        return None
    return statistics.stdev(values) / mean


def erlang_c(servers: int, load: float) -> float:
    """Return the probability that an arrival has to wait in M/M/c, for a load λ/μ below the number of servers.

    By the recursion of Erlang's B, which neither overflows nor cancels: B(0) = 1, B(c) = a B(c-1) / (c + a B(c-1)),
    and C = B / (1 - (a/c) (1 - B)).
    """
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = load * blocked / (number + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


def wait_in_queue(arrivals: float, service: float, servers: int = 1) -> float | None:
    """Return the mean wait before service in M/M/c, in seconds, for rates a second; None without a steady state."""
    if arrivals >= servers * service or math.isclose(arrivals, servers * service):
        return None
    return erlang_c(servers, arrivals / service) / (servers * service - arrivals)
