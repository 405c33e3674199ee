"""What the teller of a life keeps in mind: who holds the message, and what was said already."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_mqchaos.model.events import (
    Acked,
    CensusTaken,
    ChannelClosed,
    Delivered,
    Event,
    FaultFired,
    LinkLost,
    Nacked,
    Rejected,
    Returned,
)
from pytest_mqchaos.model.messages import Message
from pytest_mqchaos.model.printable import cut, printable

__all__ = ["Place", "Step", "Teller", "Walk", "kind_of", "names_in", "place", "reason"]

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a life: seconds since the first publish, a sentence, and perhaps a note in the margin."""

    seconds: float
    text: str
    note: str = ""
    kind: str = field(default="", compare=False)
    """The event behind it by its kind (`delivered`, `link_lost`), for who draws it."""
    where: str = field(default="", compare=False)
    """The link, consumer or queue that the event was seen on; may be empty."""

    @property
    def margin(self) -> str:
        """The note as it stands in the margin: `<- before its effect`."""
        return f"<- {self.note}" if self.note else ""

    def __str__(self) -> str:
        return f"{self.seconds:.3f}  {self.text}{'   ' if self.note else ''}{self.margin}"


Place = tuple[int, int, int]
"""Connection, channel and tag: what a settlement names a delivery by."""


@dataclass(slots=True)
class Walk:
    """The state of the story so far."""

    name: str
    message: Message | None
    faults: Sequence[FaultFired]
    start: int
    steps: list[Step] = field(default_factory=list)
    open: dict[Place, Delivered] = field(default_factory=dict)
    """Deliveries whose settlement was not passed on yet."""
    acked: dict[Place, Delivered] = field(default_factory=dict)
    """Deliveries whose ack was passed on, or that needed none, as long as their process lives."""
    queues: set[str] = field(default_factory=set)
    """Queues it was delivered from."""
    last_link: str = ""
    unshown_until: int | None = None
    """When we had looked last and its first effect was not there: what was acknowledged until then came before it."""
    effects: int = 0
    effects_from: dict[str, int] = field(default_factory=dict)
    """The same for each source: each of them is judged for itself."""
    deliveries_ahead: int = 0
    returns_ahead: int = 0
    """Events still to come that show the message in a queue again."""
    handed_on: set[str] = field(default_factory=set)
    """Links that published a copy of it after it came to them: to be tried later, or by the next stage."""
    at_broker: bool = False
    unconfirmed_on: int | None = None
    told: set[tuple[int, int]] = field(default_factory=set)
    """The strikes, by fault and moment, that a step's note names already."""
    struck: list[tuple[int, FaultFired]] = field(default_factory=list)
    killed: list[tuple[int, FaultFired]] = field(default_factory=list)
    """The steps that tell of a process killed by a strike, by their place."""
    down: set[str] = field(default_factory=set)

    census: CensusTaken | None = None
    """The last one of the run."""
    let_go: bool = False
    """Whether nobody was at its work any more once it was settled: what struck its consumer later met it not there."""

    @property
    def expected(self) -> int:
        """How many effects the message should have; none for poison."""
        return 0 if self.message is None or self.message.poison else self.message.expect

    def say(self, event: Event, text: str, note: str = "", fault: FaultFired | None = None) -> None:
        """Add a sentence, with a note and the fault behind it unless that was named already."""
        notes = [note] if note else []
        if fault is not None and (fault.fault, fault.at) not in self.told:
            self.told.add((fault.fault, fault.at))
            notes.append(printable(fault.description, 120))
        seconds, sentence = (event.at - self.start) / 1e9, printable(text, 160)
        self.steps.append(Step(seconds, sentence, ", ".join(notes), kind_of(event), self._where(event)))

    def _where(self, event: Event) -> str:
        named = (getattr(event, name, None) for name in ("link", "consumer", "queue", "target"))
        return str(next((each for each in named if each), self.last_link))

    def open_on(self, connection: int, channel: int | None = None) -> list[Delivered]:
        """Return the open deliveries on a connection, or on one of its channels."""
        return [
            each
            for each in self.open.values()
            if each.connection == connection and (channel is None or each.channel == channel)
        ]

    def back(self, deliveries: Sequence[Delivered]) -> None:
        """Give open deliveries back to the broker."""
        for each in deliveries:
            self.open.pop(place(each), None)
        self.at_broker = True

    def ready_at_last(self, event: Event, deliveries: Sequence[Delivered]) -> bool:
        """Whether the last census, taken after an event, has these deliveries' queues hold messages, all of them ready.

        One that the broker still thinks somebody has would be among those that are not.
        """
        if self.census is None or self.census.at <= event.at:
            return False
        queues = {each.name: each for each in self.census.queues if each.exact}
        held = [queues.get(each.queue) for each in deliveries]
        return bool(held) and all(
            each is not None and each.ready and not each.unacknowledged for each in held
        )

    def in_hand(self, link: str) -> bool:
        """Whether a process on this link holds the message, or has settled it with its work still to do."""
        if any(each.link == link and each.passed for each in self.open.values()):
            return True
        undone = self.effects < self.expected and not self.let_go
        return undone and any(each.link == link and each.passed for each in self.acked.values())

    def fault_at(self, at: int, name: str, *kinds: str) -> FaultFired | None:
        """Return the strike behind what was seen on `name`: the nearest in time, of these kinds if any is.

        A strike is written down once it is done, so what it did may stand before it or after.
        """
        strikes = [each for each in self.faults if each.changed and {name, "*"} & set(names_in(each.target))]
        fitting = [each for each in strikes if each.description.startswith(kinds)] or strikes
        return min(fitting, key=lambda each: abs(each.at - at), default=None)


def kind_of(event: Event) -> str:
    """Return the kind of an event as one lower-case word: `link_lost`."""
    return _CAPITAL.sub("_", type(event).__name__).lower()


Teller = Callable[[Walk, Any], None]
"""Says one kind of event in the walk, or stays silent where the message was not concerned."""


def reason(event: Returned | LinkLost | ChannelClosed) -> str:
    """Return the code and text that an end or a return came with, in brackets; empty without any."""
    why = " ".join(part for part in (str(event.code or ""), event.text) if part)
    return f" ({cut(why, 60)})" if why else ""


def place(event: Delivered | Acked | Nacked | Rejected) -> Place:
    """Return what names a delivery, and its settlement too."""
    return event.connection, event.channel, event.tag


def names_in(target: str) -> list[str]:
    """Return the single names of a fault's target."""
    return [each.strip() for each in target.split(",")]
