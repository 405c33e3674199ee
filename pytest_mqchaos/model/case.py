"""The case a check judges: one run's events, the table of copies, and what was promised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pytest_mqchaos.model.events import Event
from pytest_mqchaos.model.faults import Fault
from pytest_mqchaos.model.guarantees import Guarantee
from pytest_mqchaos.model.ledger import Ledger
from pytest_mqchaos.model.messages import Message

__all__ = ["Case", "ConsumerFacts", "Evidence", "Line", "Output", "Planted", "Poison"]

Evidence = Literal["effects", "broker", "unknown"]
Poison = Literal["auto", "dead-letter", "discard"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line that a process wrote."""

    at: int
    """When it was seen, in nanoseconds of the run's clock; it was written then, or shortly before."""
    text: str


@dataclass(frozen=True, slots=True)
class Output:
    """The last of what one process of a consumer wrote to standard output and error."""

    pid: int
    lines: tuple[str, ...] = ()
    left_out: int = 0
    """Bytes before them that are not shown."""
    times: tuple[int, ...] = ()
    """When each of the lines was seen, in nanoseconds of the run's clock."""
    near: tuple[Line, ...] = ()
    """Lines before them that stand around a strike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerFacts:
    """What the run knows of one consumer's process (one a replica)."""

    name: str
    alive: bool
    exit_code: int | None = None
    restart: str = "on-fault"
    queues: tuple[str, ...] = ()
    """The queues that the test said it reads; empty if it said nothing."""
    frozen: bool = False
    inside: bool = False
    """Whether it runs in the test's own process: nobody but the test ends it, and nobody sees whether it lives."""
    output: tuple[Output, ...] = ()
    """What its processes wrote, in the order started."""


@dataclass(frozen=True, slots=True)
class Planted:
    """What a canary meant to plant."""

    doubled: str = ""
    """The message whose effect is counted twice; empty where there is none but the one that is withheld."""
    single: str = ""
    """The source of effects that cannot hold an entry twice, if it was one that this message showed in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything that a check may know. `events` ends with the end of a settle."""

    events: Sequence[Event]
    messages: Mapping[str, Message]
    ledger: Ledger
    faults: Sequence[Fault] = ()
    """By the number that fault events carry."""
    guarantee: Guarantee
    evidence: Evidence = "effects"
    """`effects`: no effect is no work. `broker`: an acked message counts as worked on. `unknown`: nobody can say."""
    ordered_evidence: bool = True
    """Whether effects are seen as they happen (a file): only then is a missing effect at the ack a proof."""
    poison: Poison = "auto"
    dead_letters: frozenset[str] = frozenset()
    """Queues that the test named as dead-letter queues."""
    consumers: tuple[ConsumerFacts, ...] = ()
    order_keys: Mapping[str, str] = field(default_factory=dict)
    """Under `ordered(by)`: the key of each good message, by its id; those of one key are to stay in order."""
    settled: bool = True
    interrupted: bool = False
    """Whether the test failed by itself and nothing was waited for: what rests on the end of a run is unknown."""
    cut_short: bool = False
    """Whether it is `interrupted` by the test's own end, which took its consumers with it."""
    unheld: Mapping[int, str] = field(default_factory=dict)
    """Faults that did not take hold, or were not healed, by their number: why."""
    spoiled: str = ""
    """Why the run could not be settled, where the ground under it failed; empty if it did not."""
    planted: Planted = Planted()
    strays: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """By source of effects: how many entries there name no message of the run, and the first of them."""
    bare: Mapping[str, str] = field(default_factory=dict)
    """By source of effects that is a file: its path, and that it is not there, or empty."""
    final: bool = True
    """Whether the consumers were ended and the effects read a last time."""

    @property
    def expected(self) -> frozenset[str]:
        """Queues that consumers were said to read."""
        return frozenset(name for consumer in self.consumers for name in consumer.queues)
