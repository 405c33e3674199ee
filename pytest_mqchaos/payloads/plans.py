"""A plan: the messages of one publication, as they are to be sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pytest_mqchaos.model.messages import Message
from pytest_mqchaos.payloads.arrivals import offsets
from pytest_mqchaos.payloads.drafts import rng

__all__ = ["Plan", "Planned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One message as it is to be sent; the body stands in `message`."""

    message: Message
    headers: dict[str, object]
    properties: dict[str, object]
    """Without the headers, and without the delivery mode: that is `message.persistent`."""
    repeats: bool = False
    """Whether it stands before it in the plan already, and is sent once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The messages of one `publish` in the order of publishing, one that is sent twice twice."""

    run: str
    seed: int
    queue: str = ""
    exchange: str = ""
    routing_key: str = ""
    entries: tuple[Planned, ...]
    confirm: bool = True
    mandatory: bool = True
    rate: float | None = None
    arrivals: str = "burst"
    next_number: int
    """The `first_number` of the next plan of the run."""

    @property
    def target(self) -> str:
        """Where it is published to, in words: `queue 'orders'`."""
        return f"queue {self.queue!r}" if self.queue else f"exchange {self.exchange!r}"

    @property
    def messages(self) -> tuple[Message, ...]:
        """All messages, in the order of publishing, each once."""
        return tuple(entry.message for entry in self.entries if not entry.repeats)

    def schedule(self) -> Iterator[float]:
        """Yield for each message the seconds after the first one at which it is due."""
        generator = rng(self.seed, "arrivals", self.next_number)
        return offsets(len(self.entries), self.rate, self.arrivals, generator)
