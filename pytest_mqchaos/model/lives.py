"""The lives of messages: what happened to each one, in order, in words.

One pass over the history finds which events concern which message; the words of a life are made when somebody
reads it, so that a run of 100,000 messages costs no more than the few lives that are shown.

```
0.412  published, confirmed
0.431  delivered to worker (tag 17)
0.431  acknowledged by worker         <- before its effect
0.433  worker killed                  <- consumer_crash(after=ack(17))
```
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pytest_mqchaos.model.events import (
    BrokerStarted,
    BrokerStopped,
    CensusTaken,
    ChannelClosed,
    ConsumerCancelled,
    ConsumerEnded,
    ConsumerFrozen,
    ConsumerStarted,
    ConsumerThawed,
    Delivered,
    Event,
    FaultFired,
    LinkEvent,
    LinkLost,
    Published,
    QueueDeleted,
    QueuePurged,
    Recovered,
    RolledBack,
    SettleEnded,
)
from pytest_mqchaos.model.messages import Message
from pytest_mqchaos.model.printable import printable
from pytest_mqchaos.model.story import Step, tell

__all__ = ["Life", "Lives", "lives", "step_lines"]


_COLUMN = 48
"""Longest sentence that moves the margin notes of a life to the right."""


class Life:
    """One message and everything that happened to it.

    `events` are its steps in order, made on first use. Lives of the same id are equal.
    """

    __slots__ = ("_lives", "_steps", "id", "message")

    def __init__(self, lives: Lives, name: str, message: Message | None) -> None:
        self._lives = lives
        self._steps: tuple[Step, ...] | None = None
        self.id = name
        self.message = message
        """What was to be published; None for an id that this run never published."""

    @property
    def number(self) -> int:
        """The message's number in the run, from 1; 0 for one that was never published in it."""
        return 0 if self.message is None else self.message.number

    @property
    def key(self) -> str | None:
        """The application's own identity of the message."""
        return None if self.message is None else self.message.key

    @property
    def body(self) -> bytes:
        """The body as it was published."""
        return b"" if self.message is None else self.message.body

    @property
    def poison(self) -> bool:
        """Whether it was made to be impossible to process."""
        return self.message is not None and self.message.poison

    @property
    def kind(self) -> str:
        """How a poison message was made (`truncated`, `byte_order_mark`, ..., `own`); empty for a good one."""
        return "" if self.message is None else self.message.kind

    @property
    def queue(self) -> str:
        """The queue it was published to or, through an exchange, first delivered from; else empty."""
        if self.message is not None and self.message.queue:
            return self.message.queue
        return next(
            (event.queue for event in self._lives.events_of(self.id) if isinstance(event, Delivered)), ""
        )

    @property
    def events(self) -> tuple[Step, ...]:
        """The steps of this life, in the order of time."""
        if self._steps is None:
            self._steps = self._lives.steps_of(self.id)
        return self._steps

    def __eq__(self, other: object) -> bool:
        """Whether it is the same message: a life, an id or a number."""
        if isinstance(other, Life):
            return self.id == other.id
        if isinstance(other, str):
            return self.id == other
        return self.number == other if isinstance(other, int) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        """One short line: the message and where its life ended."""
        last = self.events[-1].text if self.events else "nothing seen"
        return f"<{printable(self.id, 80)}: {printable(last, 60)}>"

    def __str__(self) -> str:
        """The whole life, a line a step."""
        return "\n".join([printable(self.id), *step_lines(self.events)])


class Lives(Mapping[str, Life]):
    """The lives of a run by id: those of the workload, then those of ids nobody published.

    Args:
        events: of the run.
        messages: the workload by id.
        ends: how messages ended that no strike brought to their end, where a check knows: a sentence and its note.
    """

    def __init__(
        self,
        events: Sequence[Event],
        messages: Mapping[str, Message],
        ends: Mapping[str, tuple[str, str]] | None = None,
    ) -> None:
        self._ends = ends or {}
        self._events = events if isinstance(events, tuple | list) else tuple(events)
        self._messages = messages
        self._own: dict[str, list[int]] = {}
        self._channels: dict[tuple[int, int], list[int]] = {}
        self._lost: dict[int, list[int]] = {}
        self._processes: dict[str, list[int]] = {}
        self._all: list[int] = []
        self._census: CensusTaken | None = None
        """The last one."""
        self._cache: dict[str, Life] = {}
        self.start = self._index()
        """When the first message was published, in nanoseconds; without one, when the run began."""

    def __getitem__(self, name: str) -> Life:
        life = self._cache.get(name)
        if life is None:
            message = self._messages.get(name)
            if message is None and name not in self._own:
                raise KeyError(name)
            life = self._cache[name] = Life(self, name, message)
        return life

    def __iter__(self) -> Iterator[str]:
        yield from self._messages
        yield from (name for name in self._own if name not in self._messages)

    def __len__(self) -> int:
        return len(self._messages) + sum(name not in self._messages for name in self._own)

    def of(self, name: str) -> Life:
        """Return the life of that id, an empty one if the run knows nothing of it."""
        return self[name] if name in self._messages or name in self._own else Life(self, name, None)

    def seconds(self, at: int) -> float:
        """Return a moment of the clock as seconds since the first publish."""
        return (at - self.start) / 1e9

    def events_of(self, name: str) -> list[Event]:
        """Return the events that carry this id, in the order seen."""
        return [self._events[i] for i in self._own.get(name, ())]

    def steps_of(self, name: str) -> tuple[Step, ...]:
        """Return the life of this id in words, told from the events around it."""
        concerning = sorted((self._events[i].at, i) for i in self._around(name))
        faults = [event for i in self._all if isinstance(event := self._events[i], FaultFired)]
        around = [self._events[i] for _, i in concerning]
        known, end = self._messages.get(name), self._ends.get(name)
        return tell(name, known, around, faults, self.start, census=self._census, end=end)

    def _index(self) -> int:
        start: int | None = None
        for i, event in enumerate(self._events):
            route = _ROUTES.get(type(event))
            if route is not None:
                route(self, event, i)
                continue
            message = getattr(event, "message", None)
            if message is not None:
                own = self._own.get(message)
                if own is None:
                    self._own[message] = [i]
                else:
                    own.append(i)
                if start is None and type(event) is Published:
                    start = event.at
        if start is not None:
            return start
        return self._events[0].at if self._events else 0

    def _of_all(self, event: Event, i: int) -> None:
        self._all.append(i)

    def _of_census(self, event: CensusTaken, i: int) -> None:
        self._census = event

    def _of_channel(self, event: LinkEvent, i: int) -> None:
        self._channels.setdefault((event.connection, event.channel), []).append(i)

    def _of_connection(self, event: LinkLost, i: int) -> None:
        self._lost.setdefault(event.connection, []).append(i)

    def _of_process(self, event: ConsumerStarted, i: int) -> None:
        self._processes.setdefault(event.consumer, []).append(i)

    def _around(self, name: str) -> set[int]:
        own = self._own.get(name, [])
        indices = {*own, *self._all}
        for i in own:
            event = self._events[i]
            if isinstance(event, LinkEvent):
                indices.update(self._lost.get(event.connection, ()))
                indices.update(self._processes.get(event.link, ()))
            if isinstance(event, Delivered):
                indices.update(self._channel_after(event, i))
        return indices

    def _channel_after(self, delivered: Delivered, index: int) -> Iterator[int]:
        """Yield what happened to the delivery's channel up to its close: channel numbers are used again."""
        on_channel = self._channels.get((delivered.connection, delivered.channel), [])
        for i in on_channel[bisect_left(on_channel, index) :]:
            yield i
            if isinstance(self._events[i], ChannelClosed):
                return


_ROUTES: Mapping[type[Event], Callable[[Lives, Any, int], None]] = {
    **dict.fromkeys((ChannelClosed, Recovered, RolledBack, ConsumerCancelled), Lives._of_channel),
    **dict.fromkeys((ConsumerStarted, ConsumerEnded, ConsumerFrozen, ConsumerThawed), Lives._of_process),
    **dict.fromkeys(
        (BrokerStopped, BrokerStarted, FaultFired, QueueDeleted, QueuePurged, SettleEnded), Lives._of_all
    ),
    LinkLost: Lives._of_connection,
    CensusTaken: Lives._of_census,
}
"""Where the events around messages are kept; all others are kept with the message they name."""


def lives(events: Sequence[Event], messages: Mapping[str, Message]) -> Lives:
    """Return the lives of a run's messages by id, in one pass; `events` is not to grow afterwards."""
    return Lives(events, messages)


def step_lines(steps: Sequence[Step], *, most: int | None = None) -> list[str]:
    """Return steps as lines with their margin notes in one column.

    Where there are more than `most`, those in the middle are left out, and a line says how many.
    """
    shown = list(steps)
    left_out = 0
    if most is not None and len(shown) > most:
        left_out = len(shown) - most + 1
        shown = [*shown[: most // 2], *shown[most // 2 + left_out :]]
    column = max((len(step.text) for step in shown if len(step.text) <= _COLUMN), default=0)
    lines = [f"{step.seconds:10.3f}  {step.text.ljust(column)}   {step.margin}".rstrip() for step in shown]
    if left_out and most is not None:
        lines.insert(most // 2, f"{'...':>10}  {left_out:,} steps more")
    return lines
