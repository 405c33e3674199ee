"""The table of copies: which message stands where, kept up with every event.

Each change of a copy goes through `move`, which keeps the counters that a settle reads in constant time: what
waits, what stands in which queue, what lacks its effect, and how much progress was made.
"""

from __future__ import annotations

from collections.abc import Mapping

from pytest_mqchaos.model.copies import TERMINAL, Copy, CopyState, Delivery, Record, Slot
from pytest_mqchaos.model.events import Delivered, Rested
from pytest_mqchaos.model.messages import Message
from pytest_mqchaos.model.sourcing import Sourcing

__all__ = ["Standing", "Table"]

_MOST_ADVANCES = 10
"""A message that circles for ever settles a copy each time: only so many of them are progress."""


def _unlikely(copy: Copy, event: Delivered) -> tuple[bool, bool, bool]:
    """How unlikely it is this copy that comes again before anybody saw it go back.

    One in hand, or one whose settlement may have been eaten; and a connection that goes on gave nothing back.
    """
    held = copy.state in ("in_hand", "settling")
    return not held, held and not _held_elsewhere(copy, event), copy.state != "in_hand"


def _held_elsewhere(copy: Copy, event: Delivered) -> bool:
    """Whether it is in hand on another connection, or its settlement on its way there."""
    here = copy.last is not None and copy.last.connection == event.connection
    return copy.state in ("in_hand", "settling") and not here


class Standing:
    """The copies of one queue by state, and when that changed last."""

    __slots__ = ("changed", "foreign", "foreign_changed", "in_hand", "ready", "settling", "strangers")

    def __init__(self) -> None:
        self.ready: dict[Copy, None] = {}
        self.in_hand: dict[Copy, None] = {}
        self.settling: dict[Copy, None] = {}
        self.foreign = 0
        """Deliveries of messages that are not ours, in hand."""
        self.foreign_changed = 0
        self.strangers = 0
        """Deliveries of messages that are not ours, in all."""
        self.changed = 0

    def of(self, state: CopyState) -> dict[Copy, None] | None:
        """The copies in a state that is not terminal, None for the others."""
        if state == "in_hand":
            return self.in_hand
        if state == "settling":
            return self.settling
        return self.ready if state == "ready" else None


class Table:
    """Lives by id, in the order first seen, and what can be counted over them."""

    def __init__(self, messages: Mapping[str, Message]) -> None:
        self.messages = messages
        self.records: dict[str, Record] = {}
        self.standing: dict[str, Standing] = {}
        self.waiting: dict[str, None] = {}
        """Ids that are confirmed and not terminal."""
        self.unworked: dict[str, None] = {}
        """Ids that are good, confirmed, acknowledged, terminal, and have fewer effects than expected."""
        self.undelivered: dict[tuple[str, str], dict[str, None]] = {}
        """Ids that are confirmed and were never delivered, by exchange and routing key."""
        self.confirmed = 0
        """Confirms of the workload so far."""
        self.last_stop = -1
        """The number of the last event that stopped the broker."""
        self.last_crash = -1
        """Of the last that killed it."""
        self.sourcing = Sourcing({})
        """Which sources the work has to show in."""
        self.progress = 0
        self.progress_at = 0
        self.progress_index = -1

    def record(self, message: str | None) -> Record | None:
        """Return the record of a message of the workload, None for everything else."""
        if message is None:
            return None
        record = self.records.get(message)
        if record is None:
            known = self.messages.get(message)
            if known is None:
                return None
            record = self.records[message] = Record(known)
        return record

    def at(self, queue: str) -> Standing:
        """Return what stands in a queue."""
        standing = self.standing.get(queue)
        if standing is None:
            standing = self.standing[queue] = Standing()
        return standing

    def advance(self, index: int, at: int) -> None:
        """Count one step of progress."""
        self.progress += 1
        self.progress_index = index
        self.progress_at = at

    def move(self, copy: Copy, state: CopyState, index: int, at: int) -> None:
        """Put a copy into a state."""
        old = copy.state
        copy.since = at
        if old == state:
            return
        standing = self.at(copy.queue)
        standing.changed = at
        if (place := standing.of(old)) is not None:
            place.pop(copy, None)
        if (place := standing.of(state)) is not None:
            place[copy] = None
        copy.state = state
        record = copy.record
        if old in TERMINAL and state not in TERMINAL:
            record.pending += 1
        elif state in TERMINAL and old not in TERMINAL:
            record.pending -= 1
        # Where a queue is never still, no census tells for long that what was settled was processed.
        if state == "settling" or (state in TERMINAL and old not in (*TERMINAL, "settling")):
            self._advance_of(record, index, at)
        self.touch(record)

    def _advance_of(self, record: Record, index: int, at: int) -> None:
        if record.advances < _MOST_ADVANCES:
            record.advances += 1
            self.advance(index, at)

    def take(self, copy: Copy) -> None:
        """Note that a copy that was handed out before is not to be handed out again."""
        slot = copy.record.slots[copy.queue, copy.deaths]
        if copy in slot.ready:
            slot.ready.remove(copy)

    def touch(self, record: Record) -> None:
        """Bring what is counted over records up to date with one of them."""
        if self.sourcing.weighs(record):
            self.sourcing.judge(record)
        name = record.id
        ok, terminal = record.owed, record.terminal
        if ok and not terminal:
            self.waiting[name] = None
        else:
            self.waiting.pop(name, None)
        undone = record.sourced and record.effects < record.message.expect
        if ok and terminal and record.good and undone and record.accepted:
            self.unworked[name] = None
        else:
            self.unworked.pop(name, None)

    def delivered(self, event: Delivered, index: int) -> tuple[Copy | None, bool]:
        """Return the copy that a delivery hands out, and whether the broker had no right to deliver it.

        Which copy it is cannot be read off the wire. One that is the broker's again comes first, unless the
        broker says that this one was never delivered and a publication explains another. Then a fresh one, as
        far as publications explain it. Then one whose settlement a broker stop may have undone.
        """
        record = self.record(event.message)
        if record is None:
            return None, False
        slot = record.slots.setdefault((event.queue, event.deaths), Slot())
        fresh = len(slot.copies) < record.explained(event.queue, event.deaths)
        if slot.ready and (event.redelivered or not fresh):
            return slot.again(), False
        if fresh:
            return self._create(record, slot, event, index), False
        return self._undone(slot, event)

    def _undone(self, slot: Slot, event: Delivered) -> tuple[Copy, bool]:
        """The copy that comes again though nobody saw it go back, and whether the broker had no right to.

        A broker stop may have undone its settlement (a clean one hardly if it was processed), or its holder's
        connection has ended, and we see that later.
        """
        stopped = [copy for copy in slot.copies if copy.last is not None and copy.last.index < self.last_stop]
        for copy in slot.copies:
            last = copy.last
            if copy.state == "gone" or (copy in stopped and last is not None and not self._kept(last)):
                return copy, False
        likeliest = min(slot.copies, key=lambda copy: _unlikely(copy, event))
        if stopped and not _held_elsewhere(likeliest, event):
            return stopped[0], False
        return likeliest, True

    def _kept(self, delivery: Delivery) -> bool:
        """Whether its settlement was processed, and the broker was not killed since."""
        return delivery.processed and delivery.index > self.last_crash

    def _create(self, record: Record, slot: Slot, event: Delivered, index: int) -> Copy:
        if not record.copies:
            self.advance(index, event.at)
            self.forget_undelivered(record)
        copy = Copy(record=record, queue=event.queue, deaths=event.deaths, state="settled", since=event.at)
        slot.copies.append(copy)
        record.copies.append(copy)
        return copy

    def rested(self, event: Rested) -> None:
        """Note a copy that was read from a terminal queue."""
        record = self.record(event.message)
        if record is None:
            return
        copy = Copy(record=record, queue=event.queue, deaths=event.deaths, state="resting", since=event.at,
                    death_reason=event.death_reason, death_queue=event.death_queue, digest=event.digest,
                    identified_by=event.identified_by, altered=event.altered)  # fmt: skip
        self.forget_undelivered(record)
        record.slots.setdefault((event.queue, event.deaths), Slot()).copies.append(copy)
        record.copies.append(copy)
        self.touch(record)

    def expect_delivery(self, record: Record) -> None:
        """Note a confirmed message of which no delivery was seen yet."""
        if not record.copies and not record.gone and record.ok:
            for one in record.publications:
                self.undelivered.setdefault((one.exchange, one.routing_key), {})[record.id] = None

    def forget_undelivered(self, record: Record) -> None:
        """Note that a message was seen, or can no longer come."""
        for one in record.publications:
            if (ids := self.undelivered.get((one.exchange, one.routing_key))) is not None:
                ids.pop(record.id, None)
                if not ids:
                    del self.undelivered[one.exchange, one.routing_key]
