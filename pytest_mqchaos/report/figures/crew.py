"""The consumers of a run: their processes, connections and subscriptions over time, and what each one did."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.case import ConsumerFacts, Output

__all__ = ["Crew"]

_INTERVALS = 100
"""Most processes, connections and subscriptions of one consumer that are told."""


@dataclass(slots=True)
class _Member:
    """One replica. Intervals are dicts with `from` and `until`, None while they last."""

    processes: list[dict[str, Any]] = field(default_factory=list)
    connections: dict[int, dict[str, Any]] = field(default_factory=dict)
    subscriptions: dict[tuple[int, int, str], dict[str, Any]] = field(default_factory=dict)
    past: list[dict[str, Any]] = field(default_factory=list)
    """Subscriptions that ended."""
    frozen: list[list[float | None]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, what: str, by: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + by


class Crew:
    """Gathers what the consumers did.

    Args:
        start: the moment that counts as zero, in nanoseconds.
        facts: how they stood when the run was judged.
    """

    def __init__(self, start: int, facts: Sequence[ConsumerFacts]) -> None:
        self._start = start
        self._facts = {each.name: each for each in facts}
        self._members: dict[str, _Member] = {each.name: _Member() for each in facts}
        self._holder: dict[str, str] = {}

    def handlers(self) -> Mapping[type[e.Event], Callable[[Any], None]]:
        """Return what takes each kind of event in."""
        return {
            e.ConsumerStarted: self._started,
            e.ConsumerEnded: self._ended,
            e.ConsumerFrozen: self._froze,
            e.ConsumerThawed: self._thawed,
            e.LinkOpened: self._opened,
            e.LinkLost: self._lost,
            e.Subscribed: self._subscribed,
            **dict.fromkeys((e.Unsubscribed, e.ConsumerCancelled), self._unsubscribed),
            e.ChannelClosed: self._channel_closed,
            e.Delivered: self._delivered,
            **dict.fromkeys((e.Acked, e.Nacked, e.Rejected), self._settled),
            e.Effected: self._effected,
        }

    def _of(self, name: str) -> _Member:
        return self._members.setdefault(name, _Member())

    def _seconds(self, at: int) -> float:
        return round((at - self._start) / 1e9, 6)

    # --- processes ---

    def _started(self, event: e.ConsumerStarted) -> None:
        self._of(event.consumer).processes.append(
            {
                "pid": event.pid,
                "from": self._seconds(event.at),
                "until": None,
                "exit_code": None,
                "signal": "",
                "by": "",
                "restarts": False,
                "output": [],
                "output_left_out": 0,
                "output_at": [],
                "output_near": [],
            }
        )

    def _ended(self, event: e.ConsumerEnded) -> None:
        for process in self._of(event.consumer).processes[-1:]:
            process |= {
                "until": self._seconds(event.at),
                "exit_code": event.exit_code,
                "signal": _signal(event.exit_code),
                "by": event.by,
                "restarts": event.restarts,
            }

    def _froze(self, event: e.ConsumerFrozen) -> None:
        self._of(event.consumer).frozen.append([self._seconds(event.at), None])

    def _thawed(self, event: e.ConsumerThawed) -> None:
        for interval in self._of(event.consumer).frozen[-1:]:
            interval[1] = self._seconds(event.at)

    # --- connections and subscriptions ---

    def _opened(self, event: e.LinkOpened) -> None:
        if event.link != "publisher":
            interval = {"from": self._seconds(event.at), "until": None, "by": "", "clean": False}
            self._of(event.link).connections[event.connection] = interval

    def _lost(self, event: e.LinkLost) -> None:
        if event.link == "publisher":
            return
        member = self._of(event.link)
        if event.connection in member.connections:
            member.connections[event.connection] |= {
                "until": self._seconds(event.at),
                "by": event.by,
                "clean": event.clean,
            }
        self._close(event, [key for key in member.subscriptions if key[0] == event.connection])

    def _subscribed(self, event: e.Subscribed) -> None:
        if event.link != "publisher":
            self._of(event.link).subscriptions[event.connection, event.channel, event.consumer_tag] = {
                "from": self._seconds(event.at),
                "until": None,
                "queue": event.queue,
                "prefetch": event.prefetch,
                "auto_ack": event.auto_ack,
            }

    def _unsubscribed(self, event: e.Unsubscribed | e.ConsumerCancelled) -> None:
        self._close(event, [(event.connection, event.channel, event.consumer_tag)])

    def _channel_closed(self, event: e.ChannelClosed) -> None:
        if event.link != "publisher":
            here = self._of(event.link).subscriptions
            self._close(event, [key for key in here if key[:2] == (event.connection, event.channel)])

    def _close(self, event: e.LinkEvent, keys: Sequence[tuple[int, int, str]]) -> None:
        member = self._of(event.link)
        for key in keys:
            if key in member.subscriptions:
                member.past.append(member.subscriptions.pop(key) | {"until": self._seconds(event.at)})

    # --- what they did ---

    def _delivered(self, event: e.Delivered) -> None:
        if event.message is not None and event.passed:
            self._holder[event.message] = event.link
            self._of(event.link).count("deliveries")

    def _settled(self, event: e.Acked | e.Nacked | e.Rejected) -> None:
        if event.message is not None and event.passed:
            back = "given_back" if getattr(event, "requeue", False) else "rejected"
            self._of(event.link).count("acked" if isinstance(event, e.Acked) else back)

    def _effected(self, event: e.Effected) -> None:
        name = event.consumer or self._holder.get(event.message or "")
        if event.message is not None and name is not None:
            self._of(name).count("effected", event.count)

    # --- the figure ---

    def names(self) -> list[str]:
        """Return the consumers' names, in the order started."""
        return list(self._members)

    def moments(self) -> Iterator[float]:
        """Yield when a process, connection or subscription began or ended."""
        for member in self._members.values():
            intervals = [*member.processes, *member.connections.values()]
            intervals += [*member.past, *member.subscriptions.values()]
            for each in intervals:
                yield from (at for at in (each["from"], each["until"]) if at is not None)

    def figure(self) -> list[dict[str, Any]]:
        """Return the consumers, in the order started."""
        every = sum(member.counts.get("deliveries", 0) for member in self._members.values())
        return [self._figure(name, member, every) for name, member in self._members.items()]

    def _figure(self, name: str, member: _Member, every: int) -> dict[str, Any]:
        facts = self._facts.get(name)
        _tell(member.processes, () if facts is None else facts.output, self._start)
        deliveries = member.counts.get("deliveries", 0)
        subscriptions = sorted([*member.past, *member.subscriptions.values()], key=lambda each: each["from"])
        intervals: dict[str, list[Any]] = {
            "processes": member.processes,
            "connections": list(member.connections.values()),
            "subscriptions": subscriptions,
            "frozen_at": member.frozen,
        }
        return {
            "name": name,
            "alive": None if facts is None else facts.alive,
            "frozen": facts is not None and facts.frozen,
            "exit_code": None if facts is None else facts.exit_code,
            "signal": "" if facts is None else _signal(facts.exit_code),
            "restart": "" if facts is None else facts.restart,
            "queues": [] if facts is None else list(facts.queues),
            **{
                what: member.counts.get(what, 0)
                for what in ("deliveries", "acked", "given_back", "rejected", "effected")
            },
            "share": round(deliveries / every, 4) if every else None,
            **{what: each[-_INTERVALS:] for what, each in intervals.items()},
            "left_out": {what: max(len(each) - _INTERVALS, 0) for what, each in intervals.items()},
        }


def _tell(processes: Sequence[dict[str, Any]], output: Sequence[Output], start: int) -> None:
    """Put what the processes wrote to each one."""
    said = {each.pid: each for each in output}
    for process in processes:
        if (each := said.get(process["pid"])) is not None:
            process |= {"output": list(each.lines), "output_left_out": each.left_out}
            process["output_at"] = [_until(process, at, start) for at in each.times]
            process["output_near"] = [
                {"at": _until(process, line.at, start), "text": line.text} for line in each.near
            ]


def _until(process: Mapping[str, Any], at: int, start: int) -> float:
    """Return when a line was seen, in seconds: what a process wrote it wrote before its end."""
    seconds = round((at - start) / 1e9, 6)
    return seconds if process["until"] is None else min(seconds, process["until"])


def _signal(exit_code: int | None) -> str:
    """Return the name of the signal that ended a process, empty if none did."""
    if exit_code is None or exit_code >= 0:
        return ""
    try:
        return signal.Signals(-exit_code).name
    except ValueError:
        return f"signal {-exit_code}"
