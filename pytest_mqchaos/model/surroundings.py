"""What happened around the messages: processes, links, queues, the broker and the faults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.faults.fault import Fault
from pytest_mqchaos.model.handlers import Handlers
from pytest_mqchaos.model.names import base_name

__all__ = ["Outage", "Strike", "Surroundings", "hits"]


@dataclass(slots=True)
class Outage:
    """One stop of the broker. What it was seen to do after `index` it still did before it was down."""

    index: int
    event: e.BrokerStopped
    until: int | None = None
    """The number of the event that told that it answers again."""

    def after(self, index: int) -> bool:
        """Whether it was not over when the event of that number was seen."""
        return self.until is None or self.until > index


@dataclass(frozen=True, slots=True)
class Strike:
    """One time that a fault fired, and what was on its way at that moment."""

    index: int
    event: e.FaultFired
    moving: int
    """Messages that were not answered, or not terminal."""
    unworked: int
    """Messages that were acknowledged and lacked their effect."""
    traffic: int
    """Publications and deliveries so far: if there are more in the end, messages came later."""

    def hits(self, link: str) -> bool:
        """Whether it struck a link or consumer, as `hits` tells."""
        return hits(self.event, link)


def hits(event: e.FaultFired, link: str) -> bool:
    """Whether a fault struck a link or consumer (`worker` is hit with `worker#2`'s name only by its own).

    What the publisher sends hits nobody: its target is a queue.
    """
    if event.actor == "publisher":
        return False
    names = {name.strip() for name in event.target.split(",")}
    return bool(names & {link, base_name(link), "*", "broker"})


class Surroundings:
    """The part of the ledger that concerns no message by itself. Lists hold (number of the event, event)."""

    def __init__(self) -> None:
        self.strikes: list[Strike] = []
        self.armed: dict[int, e.FaultArmed] = {}
        self.heals: dict[int, list[int]] = {}
        """When each fault was over, by its number."""
        self.idle: set[tuple[int, int]] = set()
        """The heals of strikes that nobody felt, by the fault's number and when."""
        self.starts: list[tuple[int, e.ConsumerStarted]] = []
        self.ends: list[tuple[int, e.ConsumerEnded]] = []
        self.frozen: dict[str, int] = {}
        """Consumers that stand still, since which event."""
        self.lost_links: list[tuple[int, e.LinkLost]] = []
        self.opened_links: list[tuple[int, e.LinkOpened]] = []
        self.subscribed: list[tuple[int, e.Subscribed]] = []
        self.unknown_settlements: list[tuple[int, e.UnknownSettlement]] = []
        self.declared: dict[str, e.QueueDeclared] = {}
        self.deleted: list[tuple[int, e.QueueDeleted]] = []
        self.purged: list[tuple[int, e.QueuePurged]] = []
        self.outages: list[Outage] = []
        self.broker_down = False
        self._alive: dict[str, bool] = {}
        self._ends_of: dict[str, list[tuple[int, e.ConsumerEnded]]] = {}

    @property
    def handlers(self) -> Handlers:
        """The events that it takes in; a strike is handed to it."""
        return {
            e.UnknownSettlement: self.on_unknown_settlement,
            e.Subscribed: self.on_subscribed,
            e.QueueDeclared: self.on_queue_declared,
            e.QueueDeleted: self.on_queue_deleted,
            e.QueuePurged: self.on_queue_purged,
            e.LinkOpened: self.on_link_opened,
            e.LinkLost: self.on_link_lost,
            e.ConsumerStarted: self.on_started,
            e.ConsumerEnded: self.on_ended,
            e.ConsumerFrozen: self.on_frozen,
            e.ConsumerThawed: self.on_thawed,
            e.BrokerStopped: self.on_broker_stopped,
            e.BrokerStarted: self.on_broker_started,
            e.FaultArmed: self.on_fault_armed,
            e.FaultHealed: self.on_fault_healed,
        }

    def ended(self, consumer: str) -> bool:
        """Whether the consumer's last process has ended."""
        return self._alive.get(consumer) is False

    def end_of(self, consumer: str, incarnation: int) -> tuple[int, e.ConsumerEnded] | None:
        """Return how one process of a consumer ended: the n-th end is that of the n-th start.

        None if it has not ended, or is none that was seen to start: `incarnation` 0.
        """
        ends = self._ends_of.get(consumer, ())
        return ends[incarnation - 1] if 0 < incarnation <= len(ends) else None

    def on_started(self, event: e.ConsumerStarted, index: int) -> None:
        """A process runs."""
        self.starts.append((index, event))
        self._alive[event.consumer] = True
        self.frozen.pop(event.consumer, None)

    def on_ended(self, event: e.ConsumerEnded, index: int) -> None:
        """A process ended."""
        self.ends.append((index, event))
        self._ends_of.setdefault(event.consumer, []).append((index, event))
        self._alive[event.consumer] = False
        self.frozen.pop(event.consumer, None)

    def on_frozen(self, event: e.ConsumerFrozen, index: int) -> None:
        """A consumer stands still."""
        self.frozen.setdefault(event.consumer, index)

    def on_thawed(self, event: e.ConsumerThawed, index: int) -> None:
        """A consumer goes on."""
        self.frozen.pop(event.consumer, None)

    def on_subscribed(self, event: e.Subscribed, index: int) -> None:
        """A queue is read."""
        self.subscribed.append((index, event))

    def on_unknown_settlement(self, event: e.UnknownSettlement, index: int) -> None:
        """A settlement named no open delivery."""
        self.unknown_settlements.append((index, event))

    def on_queue_declared(self, event: e.QueueDeclared, index: int) -> None:
        """A queue was declared; a passive declaration says nothing of what it is."""
        if not event.passive:
            self.declared[event.queue] = event

    def on_queue_deleted(self, event: e.QueueDeleted, index: int) -> None:
        """A queue was deleted."""
        self.deleted.append((index, event))

    def on_queue_purged(self, event: e.QueuePurged, index: int) -> None:
        """A queue was purged."""
        self.purged.append((index, event))

    def on_link_opened(self, event: e.LinkOpened, index: int) -> None:
        """A client is connected."""
        self.opened_links.append((index, event))

    def on_link_lost(self, event: e.LinkLost, index: int) -> None:
        """A connection ended."""
        self.lost_links.append((index, event))

    def on_broker_stopped(self, event: e.BrokerStopped, index: int) -> None:
        """The broker is down."""
        self.outages.append(Outage(index, event))
        self.broker_down = True

    def on_broker_started(self, event: e.BrokerStarted, index: int) -> None:
        """The broker answers again."""
        self.broker_down = False
        if self.outages:
            self.outages[-1].until = index

    def on_fault_armed(self, event: e.FaultArmed, index: int) -> None:
        """A fault waits for its moment."""
        self.armed[event.fault] = event

    def on_fault_healed(self, event: e.FaultHealed, index: int) -> None:
        """A fault is over."""
        self.heals.setdefault(event.fault, []).append(event.at)
        if event.idle:
            self.idle.add((event.fault, event.at))

    def until(self, strike: Strike) -> int:
        """When a strike was over: at its moment, where nothing had to be healed."""
        healed = self._healed(strike)
        return strike.event.at if healed is None else healed

    def _healed(self, strike: Strike) -> int | None:
        own = strike.event
        return next((at for at in self.heals.get(own.fault, ()) if at >= own.at), None)

    def felt(self, strike: Strike) -> bool:
        """Whether anybody felt a strike: at its moment, or while it lasted."""
        return strike.event.changed and (strike.event.fault, self.until(strike)) not in self.idle

    def in_force(self, faults: Sequence[Fault], end: int) -> list[tuple[Strike, int]]:
        """Return each strike that disturbed somebody, in their order, and until when it was in force.

        One with nothing to heal has its moment; of a fault that lasts and was never healed it is the end. Payload
        faults disturb nobody, and neither does what changed nothing on its target or was felt by nobody.

        Args:
            faults: of the run, by the number that fault events carry.
            end: of the run, in nanoseconds.
        """
        found = []
        for strike in self.strikes:
            event = strike.event
            if event.actor != "publisher" and self.felt(strike):
                until = self._healed(strike)
                lasts = 0 <= event.fault < len(faults) and faults[event.fault].lasts
                found.append((strike, max(end, event.at) if lasts and until is None else until or event.at))
        return found

    def on_fault_fired(
        self, event: e.FaultFired, index: int, *, moving: int, unworked: int, traffic: int
    ) -> None:
        """A fault struck."""
        self.strikes.append(Strike(index, event, moving, unworked, traffic))
