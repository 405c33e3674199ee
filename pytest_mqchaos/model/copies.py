"""Messages, copies and deliveries: the rows of the ledger.

A *message* is an id of the run, a *copy* is one place where a broker can hold it, a *delivery* is one copy handed
to one consumer. Settlement and redelivery belong to the copy, loss and duplication to the message.

```
            ┌────────── requeue, link or channel lost, cancel, recover, broker stop ───────────┐
            ▼                                                                                  │
 ready ──Delivered──► in_hand ──ack, nack, reject passed on──► settling ──processed──► settled
   └── an exact census holds it no more ──► gone                  resting (read from a terminal queue)
```
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pytest_mqchaos.model.messages import Message

__all__ = [
    "Conflict",
    "Copy",
    "CopyState",
    "Delivery",
    "Outcome",
    "Publication",
    "Record",
    "Settlement",
    "Slot",
]

CopyState = Literal["ready", "in_hand", "settling", "settled", "resting", "gone"]
"""`ready`: the broker's, again or still. `settled`: how is told by the last delivery's settlement."""

Settlement = Literal["", "acked", "auto", "dropped", "requeued"]
"""How a delivery was settled; `dropped` is a nack or reject without requeue, whatever becomes of it then."""

Outcome = Literal["planned", "confirmed", "returned", "nacked", "failed", "indeterminate"]

TERMINAL: frozenset[CopyState] = frozenset({"settled", "resting", "gone"})


@dataclass(slots=True, eq=False)
class Delivery:
    """One copy in the hand of one consumer. `copy` is None for traffic that is not ours."""

    copy: Copy | None
    queue: str
    link: str
    connection: int
    channel: int
    tag: int
    consumer_tag: str
    index: int
    """The number of its event in the history."""
    at: int
    auto_ack: bool = False
    redelivered: bool = False
    get: bool = False
    passed: bool = True
    digest: str | None = None
    """Of its body; of a large one it comes when all of it has passed."""
    identified_by: str = ""
    altered: tuple[str, ...] = ()
    incarnation: int = 0
    """Which process of the link's consumer took it (the number of its start, 0 where none was seen)."""
    settlement: Settlement = ""
    """What the consumer sent; whether it reached the broker says `settled_passed`."""
    settled_index: int | None = None
    settled_at: int | None = None
    settled_passed: bool = False
    effect_seen: bool | None = None
    transactional: bool = False
    processed: bool = False
    eaten: bool = False
    """Whether its link ended before more than a count of its queue said that its settlement was processed."""
    returned: str = ""
    """Why it is the broker's again: `requeued`, `link_lost`, `channel_closed`, `cancelled`, `recovered`."""
    returned_by: str = ""
    """Who ended what it was open on: `client`, `broker` or `fault`; empty where nothing ended."""
    returned_index: int | None = None
    returned_at: int | None = None
    unsubscribed: bool = False
    """Whether its consumer was cancelled by the client while it was in hand."""
    voided: bool = False
    """Whether a rollback took its settlement back."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A delivery of a copy that the broker had no right to deliver, as far as was known at that moment."""

    before: Delivery
    after: Delivery
    was: CopyState
    """What the copy was thought to be."""


@dataclass(slots=True, eq=False)
class Copy:
    """One copy in one queue; `deaths` tells its passages by a dead-letter exchange apart."""

    record: Record
    queue: str
    deaths: str | None
    state: CopyState
    since: int
    """When its state changed last."""
    deliveries: list[Delivery] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    death_reason: str | None = None
    """Of a resting copy: why it was dead-lettered last, None if it was not."""
    death_queue: str | None = None
    digest: str | None = None
    identified_by: str = ""
    altered: tuple[str, ...] = ()

    @property
    def last(self) -> Delivery | None:
        """Its last delivery."""
        return self.deliveries[-1] if self.deliveries else None

    @property
    def settlement(self) -> Settlement:
        """How it was settled, if a settlement was passed on; empty while it is not.

        Two links may be read in another order than the broker wrote to them: then the end of the one that we saw
        last gave it back to the broker, which had handed it to the other.
        """
        last = self.last
        if last is None or last.settled_passed or not last.returned:
            return last.settlement if last is not None and last.settled_passed else ""
        kept = (one for one in reversed(self.deliveries) if one.settled_passed and not one.returned)
        return next((one.settlement for one in kept), "")

    @property
    def doubtful(self) -> bool:
        """Whether it may be the broker's or settled: its settlement was passed on, and then the link was lost."""
        return self.state == "ready" and self.settlement in ("acked", "dropped")


@dataclass(frozen=True, slots=True)
class Publication:
    """One time that a message was sent: by the workload, or by the application (`link` tells)."""

    index: int
    at: int
    link: str
    exchange: str
    routing_key: str
    passed: bool
    deaths: str | None = None
    expiration: str | None = None
    digest: str | None = None
    altered: tuple[str, ...] = ()
    persistent: bool | None = None


@dataclass(slots=True, eq=False)
class Slot:
    """The copies of one message in one queue with one history of deaths."""

    copies: list[Copy] = field(default_factory=list)
    ready: list[Copy] = field(default_factory=list)
    """Those that were handed out before and are the broker's again, or may be."""

    def again(self) -> Copy:
        """Take out the one that comes again: they are alike, so those that surely are there come first."""
        surest = max(range(len(self.ready)), key=lambda i: (not self.ready[i].doubtful, i))
        return self.ready.pop(surest)


@dataclass(slots=True, eq=False)
class Record:
    """All that is known of one message of the workload."""

    message: Message
    publications: list[Publication] = field(default_factory=list)
    republications: list[Publication] = field(default_factory=list)
    confirmed: int = 0
    confirmed_index: int | None = None
    confirmed_at: int | None = None
    returned: int = 0
    nacked: bool = False
    failed: bool = False
    claimed: bool = False
    """Whether its producer said that it was sent."""
    outstanding: int = 0
    """Publications whose answer may still come."""
    effects: int = 0
    """Of the source that shows the fewest, of those that it concerns."""
    most: int = 0
    """Of the source that shows the most."""
    shares: dict[str, int] = field(default_factory=dict)
    """Effects by reader, where each reader of a fan-out has one piece of the work to do."""
    concern: tuple[str, ...] = ()
    """The sources that its work has to show in, where there are several."""
    sourced: bool = True
    """Whether there is a source that it concerns; false where all are other consumers'."""
    effect_index: int | None = None
    effect_at: int | None = None
    effects_by: dict[str, int] = field(default_factory=dict)
    """Effects by consumer (empty where the source does not tell)."""
    worked: dict[str, int] = field(default_factory=dict)
    """The number of the first effect by consumer."""
    effects_from: dict[str, int] = field(default_factory=dict)
    effects_inside: dict[tuple[str, str], int] = field(default_factory=dict)
    """Effects by consumer and source, of the sources inside of consumers."""
    leading: dict[str, int] = field(default_factory=dict)
    """How many publications that were passed on can lead to a queue; the empty name stands for any queue."""
    copies: list[Copy] = field(default_factory=list)
    slots: dict[tuple[str, str | None], Slot] = field(default_factory=dict)
    pending: int = 0
    """How many of its copies are not terminal."""
    advances: int = 0
    """How often a copy of it was settled, or became terminal by itself, and counted as progress."""
    gone: bool = False
    """Whether an exact census holds none of it though it was never delivered."""

    @property
    def id(self) -> str:
        """The message's id."""
        return self.message.id

    @property
    def good(self) -> bool:
        """Whether it can be processed."""
        return not self.message.poison

    @property
    def passed(self) -> int:
        """How many of its publications reached the broker's side."""
        return sum(one.passed for one in self.publications)

    @property
    def outcome(self) -> Outcome:
        """What became of its publication. A return beats the confirm that follows it."""
        if self.confirmed > self.returned:
            return "confirmed"
        if self.returned:
            return "returned"
        if self.nacked:
            return "nacked"
        if self.failed and not self.publications:
            return "failed"
        return "indeterminate" if self.publications else "planned"

    @property
    def ok(self) -> bool:
        """Whether the broker took responsibility for it."""
        return self.outcome == "confirmed"

    @property
    def owed(self) -> bool:
        """Whether its work is to be done: it was confirmed, or a consumer took it for good from a producer's hand.

        A publisher that asks for no confirms leaves it open what came to the broker, and not what came out of it.
        """
        return self.ok or (bool(self.message.producer) and self.accepted)

    @property
    def accepted(self) -> bool:
        """Whether a consumer took one of its copies for good: its work is done or will be."""
        return any(copy.settlement in ("acked", "auto") for copy in self.copies)

    @property
    def straight(self) -> bool:
        """Whether it was sent once, straight to a queue, and delivered from there: so are most."""
        if len(self.publications) != 1 or self.republications or not self.copies:
            return False
        only = self.publications[0]
        return not only.exchange and self.copies[0].queue == only.routing_key

    @property
    def sent(self) -> Publication | None:
        """The publication that its place in an order and its age are of; None while nothing reached the broker.

        It is the first one, and the last one of a message that the broker had refused.
        """
        passed = [one for one in self.publications if one.passed]
        return (passed[-1] if self.nacked or self.returned else passed[0]) if passed else None

    @property
    def terminal(self) -> bool:
        """Whether nothing more is to come of it: every copy is settled, at rest or gone."""
        return self.pending == 0 and (bool(self.copies) or self.gone)

    @property
    def deliveries(self) -> list[Delivery]:
        """All deliveries of all its copies, in order."""
        found = [one for copy in self.copies for one in copy.deliveries]
        return found if len(self.copies) < 2 else sorted(found, key=lambda one: one.index)

    def add(self, publication: Publication, *, own: bool) -> None:
        """Note one time that it was sent, `own` by the workload, else by the application."""
        (self.publications if own else self.republications).append(publication)
        if publication.passed:
            lands = "" if publication.exchange else publication.routing_key
            self.leading[lands] = self.leading.get(lands, 0) + 1

    def explained(self, queue: str, deaths: str | None) -> int:
        """How many copies of it can stand in a queue: one for each publication that may lead there.

        The default exchange leads to one queue only, and by `CC` to others. After a dead-letter passage a copy may
        come from anywhere. A first copy is always explained (alternate exchanges, bindings that came later).
        """
        count = self.leading.get("", 0)
        if deaths is not None or (not count and queue not in self.leading):
            return max(1, sum(self.leading.values()))
        return max(1, count + self.leading.get(queue, 0) if queue else count)
