"""The injector: counts what passes on the wire, and says which fault strikes at which frame.

Its counters belong to the link's thread, but for those of effects, which any thread may read. A fault is *armed*
until its moment, then *fired*; one that disturbs for a while is later *healed*. What a strike does stands in `strikes`.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_mqchaos.errors import ChaosError, UsageError
from pytest_mqchaos.experiment.names import aimed, base_name, scoped
from pytest_mqchaos.experiment.schedule import Schedule
from pytest_mqchaos.experiment.sightings import KINDS, Order, Sightings
from pytest_mqchaos.link.held import Held
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.link.relay import Relay, Strike
from pytest_mqchaos.link.tripwire import Halted
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.events import LinkEvent
from pytest_mqchaos.model.faults import Fault
from pytest_mqchaos.model.history import History, now
from pytest_mqchaos.model.triggers import Trigger

__all__ = ["Armed", "Injector", "StrikeFunction", "Swallow"]

_STRIKE_TIMEOUT = 100.0
"""Seconds for one strike; a broker may take 90 to come back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swallow:
    """Whose next ack a lost ack takes: that of one connection, or of a consumer.

    Once the connection has ended without another ack, the next one of its link is meant: it has reconnected.
    """

    link: str | None = None
    connection: int | None = None
    """None while it is not known on which one of the link."""
    consumer: str | None = None
    """As in `consumer=`; instead of a link."""


@dataclass(slots=True)
class Armed:
    """A fault of this run and how far it is."""

    number: int
    fault: Fault
    trigger: Trigger | None
    position: str
    by_hand: bool
    fired: bool = False
    striking: bool = False
    withdrawn: bool = False
    """Whether its block was left before it struck: it strikes no more."""
    words: str = ""
    """Its moment when it came, with the message that it was."""
    message: str | None = None
    """Which it strikes at: under `multiple` the one that brought the count to n; whose ack is lost."""
    connection: int | None = None
    """On which its moment was seen, as far as that is known."""
    swallow: Swallow | None = None
    """Set while a lost ack waits for the first ack after its moment."""
    done: threading.Event = field(default_factory=threading.Event)
    healed: threading.Event = field(default_factory=threading.Event)
    heal: Callable[[], Coroutine[Any, Any, None]] | None = None
    """How to end it before its time; None if there is nothing to heal."""
    error: ChaosError | None = None


StrikeFunction = Callable[[Armed, Held | None, str | None, str], Coroutine[Any, Any, None]]
"""Strikes: the armed fault, the frame held, the link X was seen on, and X in words."""


class Injector:
    """Counts events, arms faults, and matches one against the other.

    Args:
        history: where armings go.
        thread: the link's thread.
        poll_effects: reads the effects files; its events come back through `saw_effect`.
        rng: chooses the moments that the test left open.
    """

    def __init__(
        self, history: History, thread: LoopThread, poll_effects: Callable[[], None], rng: random.Random
    ) -> None:
        self.armed: list[Armed] = []
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self.strike: StrikeFunction | None = None
        self.stop_first: Callable[[Armed, str], None] = lambda armed, link: None
        """Called in the very moment that X is seen: stops the process that is to be struck."""
        self.stand_still: Callable[[Armed, str | None], Callable[[], None]] = lambda armed, link: lambda: None
        """Called in that moment too: holds all that the fault aims at, and returns what lets it go on."""
        self.relays_of: Callable[[str | None], Sequence[Relay]] = lambda link: ()
        """The open connections of a link; of every consumer for None."""
        self.client_of: Callable[[str], Halted | None] = lambda link: None
        """The processes behind a link."""
        self._history = history
        self._thread = thread
        self._poll_effects = poll_effects
        self._rng = rng
        self._waiting: list[Armed] = []
        self._lock = threading.Lock()
        """Held while `_waiting` is changed."""
        self._due: deque[tuple[Armed, str, str | None]] = deque()
        """Faults that an effect has made due: the fault, the effect in words, its link."""
        self._handed: dict[str, tuple[str, int]] = {}
        """The link and the connection that each message was last delivered on."""
        self._order = Order(history)
        self._schedule = Schedule(thread.loop)
        self._first_publish: int | None = None
        self._queues: dict[tuple[int, int, int], str] = {}
        self._polling: asyncio.Task[Any] | None = None
        self._tight = False
        """Whether tripwires may be set."""
        self._over = False

    # --- arming (any thread) ---

    def arm(self, fault: Fault, *, by_hand: bool) -> Armed:
        """Arm a fault for its moment; one without a moment strikes at a seeded one (by hand: see `fire`).

        Raises:
            UsageError: if the moment has already passed.
        """
        armed = Armed(
            number=len(self.armed),
            fault=fault,
            trigger=fault.trigger,
            position=fault.position,
            by_hand=by_hand,
        )
        if by_hand and fault.trigger is not None:
            self._refuse_past(fault)
        self.armed.append(armed)
        self._history.append(facts.FaultArmed(at=now(), fault=armed.number, description=str(fault)))
        if fault.family == "payload":
            return armed
        if by_hand and fault.trigger is None:
            return armed
        if armed.trigger is None:
            armed.position, armed.trigger = (
                ("before", Trigger(kind="ack"))
                if fault.kind == "lost_ack"
                else (
                    "after",
                    Trigger(kind="delivery"),
                )
            )
        self._thread.soon(self._enlist, armed)
        return armed

    def fire_now(self, armed: Armed) -> None:
        """Strike at once, by hand."""
        self._thread.soon(self._launch, armed, None, None, "by hand")

    def choose_moments(self, count: int) -> None:
        """Fill in the numbers that the test left open, now that the workload's size is known.

        Args:
            count: messages of the workload.
        """
        for armed in self.armed:
            trigger = armed.trigger
            if trigger is None or trigger.kind == "seconds" or armed.fired:
                continue
            if trigger.n is None and trigger.message is None:
                most = max(1, count // 2) if armed.fault.trigger is None else max(1, count)
                least = min(most, self.count(trigger, _counted(armed.fault)) + 1)
                armed.trigger = replace(trigger, n=self._rng.randint(least, most))
        self._thread.soon(self._adjust_tripwires)

    @property
    def due(self) -> bool:
        """Whether the moment of a fault has come that has not begun to strike."""
        return bool(self._due)

    @property
    def strikes_broker(self) -> bool:
        """Whether a fault has the broker in its hands now."""
        return any(armed.striking and armed.fault.family == "broker" for armed in self.armed)

    def count(self, trigger: Trigger, consumer: str = "*") -> int:
        """How many events of the trigger's kind there were."""
        return self.counts[trigger.kind, consumer, trigger.queue or "*"]

    def pause(self) -> None:
        """Let no fault strike by its time until `resume`: what is to come at a moment of the stream still does."""
        self._thread.soon(self._schedule.pause)

    def resume(self) -> None:
        """Let time pass again, from where it stood."""
        self._thread.soon(self._schedule.resume)

    def withdraw(self, armed: Armed, timeout: float) -> None:
        """Let a fault that has not struck strike no more, and return; one that strikes now is waited for.

        Raises:
            ChaosError: if its strike takes longer than `timeout` seconds.
        """

        async def leave() -> bool:
            with self._lock:
                if armed.striking:
                    return False
                if armed.fired or armed.withdrawn:
                    return True
                armed.withdrawn = True
                if armed in self._waiting:
                    self._waiting.remove(armed)
            text = f"{armed.fault}: disarmed at the end of its block, before it struck"
            self._history.append(facts.Noted(at=now(), text=text))
            armed.done.set()
            return True

        while not self._thread.call(leave(), timeout=10.0, what=f"disarming {armed.fault}"):
            self.await_strikes([armed], timeout)

    def disarm(self, timeout: float) -> None:
        """Let nothing strike any more, and wait until what strikes is done.

        Raises:
            ChaosError: if a strike takes longer than `timeout` seconds.
        """

        async def end() -> None:
            with self._lock:
                self._over = True
                self._waiting.clear()
            self._adjust_tripwires()
            for armed, _, _ in self._take_due():
                armed.striking = False

        self._thread.call(end(), timeout=10.0, what="disarming the faults")
        self.await_strikes(self.armed, timeout)

    def await_strikes(self, faults: Sequence[Armed], timeout: float) -> None:
        """Wait until none of some faults strikes.

        Raises:
            ChaosError: if one still does after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        with self._history.changed:
            while striking := [armed for armed in faults if armed.striking]:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise ChaosError(f"{striking[0].fault} still strikes after {timeout:g} s")
                self._history.changed.wait(left)

    def _refuse_past(self, fault: Fault) -> None:
        trigger = fault.trigger
        if trigger is None:
            return
        if trigger.message is not None and Sightings(self._history, trigger, fault).count(arrived=True):
            raise UsageError(f"{fault}: {trigger} has already happened")
        if trigger.n is None:
            return
        so_far = self.count(trigger, _counted(fault))
        if so_far >= trigger.n:
            raise UsageError(f"{fault}: {trigger} has already happened ({so_far} so far)")

    # --- on the link's thread ---

    def _enlist(self, armed: Armed) -> None:
        with self._lock:
            self._waiting.append(armed)
        self._adjust_tripwires()
        trigger = armed.trigger
        if trigger is not None and trigger.kind == "seconds" and (armed.by_hand or self._first_publish):
            started = now() if armed.by_hand else (self._first_publish or now())
            self._at_time(armed, started)
        if trigger is not None and trigger.kind == "effect" and self._polling is None:
            self._polling = self._thread.spawn(self._poll())

    async def _poll(self) -> None:
        """Read the effects while a fault waits for one, also where no settlement comes by."""
        while any(_awaits_effect(armed) for armed in list(self._waiting)):
            self._poll_effects()
            await asyncio.sleep(0.005)  # the interval of a poll: files do not call back
        self._polling = None

    def _at_time(self, armed: Armed, started: int) -> None:
        assert armed.trigger is not None
        wait = armed.trigger.time + armed.trigger.delay - (now() - started) / 1e9
        self._schedule.after(wait, self._launch, armed, None, None, str(armed.trigger))

    def before_settlement(self, relay: Relay) -> Strike | None:
        """Read the effects before a settlement is passed on; return the strikes that are due on this link by then.

        The settlement is the first frame behind the effect: it plays the part of X under *before*.
        """
        self._poll_effects()
        own = relay.observer.link
        here: list[tuple[Armed, str]] = []
        for armed, words, link in self._take_due():
            if link in (None, own) and _is_place_of(armed, relay):
                armed.position = "before"
                here.append((armed, words))
            else:
                self._strike_link(armed, words, link)
        return self._strikes(here, own) if here else None

    def look(self) -> None:
        """Read the effects; what is due by them strikes soon."""
        self._poll_effects()

    def saw_effect(self, event: facts.Effected) -> None:
        """Count an effect, and stop who is to be struck at it; called from whichever thread has read it.

        The strike is the link thread's, before it passes on the next settlement.
        """
        if event.message is None:
            return
        had_by, connection = self._handed.get(event.message, (None, None))
        link = event.consumer or had_by
        for _ in range(event.count):
            self._tick("effect", "" if link is None else base_name(link), None)
            with self._lock:
                reached = [one for one in self._waiting if self._reached_by_effect(one, link, event.message)]
                for armed in reached:
                    self._waiting.remove(armed)
                    armed.striking = not (armed.trigger and armed.trigger.delay)
            for armed in reached:
                armed.connection = connection if link == had_by else None
                self._due_by_effect(armed, link, event.message)
        if self._tight:
            self._thread.soon(self._adjust_tripwires)

    def _reached_by_effect(self, armed: Armed, link: str | None, message: str) -> bool:
        trigger = armed.trigger
        if trigger is None or not _awaits_effect(armed):
            return False
        return (link is None or scoped(armed.fault, link)) and self._reached(armed, trigger, message)

    def _due_by_effect(self, armed: Armed, link: str | None, message: str) -> None:
        armed.words = words = f"{armed.trigger} ({message})"
        armed.message = message
        if armed.trigger is not None and armed.trigger.delay:
            self._thread.soon(self._delayed, armed, link, words)
            return
        self.stop_first(armed, link or "")
        self._due.append((armed, words, link))
        self._thread.soon(self._strike_effects)

    def _take_due(self) -> list[tuple[Armed, str, str | None]]:
        taken: list[tuple[Armed, str, str | None]] = []
        while self._due:
            taken.append(self._due.popleft())
        return taken

    def _strike_effects(self) -> None:
        for armed, words, link in self._take_due():
            self._strike_link(armed, words, link)

    def _strike_link(self, armed: Armed, words: str, link: str | None) -> None:
        """Let a fault strike at an effect: nothing that the consumer says from now on is passed on before."""
        go_on = self.stand_still(armed, link)
        relays = list(self.relays_of(link))
        for relay in relays:
            relay.hold()

        async def run() -> None:
            try:
                await self._run(armed, None, link, words)
            finally:
                for relay in relays:
                    relay.release()
                go_on()

        self._thread.spawn(run())

    def match(self, relay: Relay, found: Sequence[LinkEvent]) -> Strike | None:
        """Count the facts of one frame and return what strikes at it."""
        due: list[tuple[Armed, str]] = []
        for fact in found:
            kind = KINDS.get(type(fact))
            message = getattr(fact, "message", None)
            if kind is None or message is None:
                continue
            if kind == "delivery":
                self._handed[message] = fact.link, fact.connection
            queue = self._queue_of(fact)
            self._tick(kind, base_name(fact.link), queue)
            if kind == "publish" and self._first_publish is None:
                self._started(fact.at)
            if self._waiting:
                due += self._due_at(kind, relay, queue, message)
        if not due:
            self._adjust_tripwires()
            return None
        own = relay.observer.link
        now_due = [(armed, words) for armed, words in due if not self._delayed(armed, own, words)]
        for armed, _ in now_due:
            self.stop_first(armed, own)
        self._adjust_tripwires()
        return self._strikes(now_due, own) if now_due else None

    def _adjust_tripwires(self) -> None:
        """Let the kernel stop a consumer when it sends (see `tripwire`), wherever that may be X for its processes."""
        wanted = [armed for armed in self._waiting if _at_what_it_sends(armed)]
        if not wanted and not self._tight:
            return
        self._tight = bool(wanted)
        for relay in self.relays_of(None):
            link = relay.observer.link
            client = self.client_of(link) if any(self._near(armed, link) for armed in wanted) else None
            if client is None:
                relay.slacken()
            else:
                relay.tighten(client)

    def _near(self, armed: Armed, link: str) -> bool:
        """Whether what a consumer sends next may be X: it has enough in hand."""
        trigger = armed.trigger
        if trigger is None or not scoped(armed.fault, link):
            return False
        if trigger.message is not None:
            return self._order.at(trigger.message) in self._handed
        return (
            trigger.n is not None
            and self.count(trigger, _counted(armed.fault)) + len(self._queues) >= trigger.n
        )

    def _queue_of(self, fact: LinkEvent) -> str | None:
        if isinstance(fact, facts.Delivered):
            if not fact.auto_ack:
                self._queues[fact.connection, fact.channel, fact.tag] = fact.queue
            return fact.queue
        if isinstance(fact, facts.Acked | facts.Nacked | facts.Rejected):
            # A rollback opens the deliveries of a transaction again.
            forget = self._queues.get if fact.transactional else self._queues.pop
            return forget((fact.connection, fact.channel, fact.tag), None)
        return None

    def _tick(self, kind: str, consumer: str, queue: str | None) -> None:
        counts = self.counts
        counts[kind, "*", "*"] += 1
        counts[kind, consumer, "*"] += 1
        if queue is not None:
            counts[kind, "*", queue] += 1
            counts[kind, consumer, queue] += 1

    def _started(self, at: int) -> None:
        self._first_publish = at
        for armed in list(self._waiting):
            if armed.trigger is not None and armed.trigger.kind == "seconds" and not armed.by_hand:
                self._at_time(armed, at)

    def _due_at(self, kind: str, relay: Relay, queue: str | None, message: str) -> list[tuple[Armed, str]]:
        due: list[tuple[Armed, str]] = []
        link = relay.observer.link
        for armed in list(self._waiting):
            trigger = armed.trigger
            if armed.swallow is not None:
                hit = kind == "ack" and self._swallows(armed.swallow, relay)
            else:
                hit = (
                    trigger is not None
                    and trigger.kind == kind
                    and (trigger.queue is None or trigger.queue == queue)
                    and (kind in ("publish", "confirm") or scoped(armed.fault, link))
                    and self._reached(armed, trigger, message)
                )
            if hit:
                with self._lock:
                    self._waiting.remove(armed)
                if armed.swallow is None:
                    armed.words, armed.connection = f"{armed.trigger} ({message})", relay.number
                armed.message = message
                due.append((armed, armed.words))
        return due

    def _swallows(self, swallow: Swallow, relay: Relay) -> bool:
        """Whether a lost ack waits for an ack on this connection."""
        if swallow.link is None:
            return aimed(swallow.consumer, relay.observer.link)
        ended = not any(one.number == swallow.connection for one in self.relays_of(swallow.link))
        return relay.observer.link == swallow.link and (ended or relay.number == swallow.connection)

    def _reached(self, armed: Armed, trigger: Trigger, message: str) -> bool:
        if trigger.message is not None:
            return message == self._order.at(trigger.message)
        consumer = _counted(armed.fault)
        so_far = self.count(trigger, consumer)
        if trigger.kind == "effect" and consumer != "*":
            so_far += self.count(trigger, "")  # nobody knows whose: it may be theirs
        return trigger.n is not None and so_far >= trigger.n

    def _delayed(self, armed: Armed, link: str | None, words: str) -> bool:
        trigger = armed.trigger
        if trigger is None or not trigger.delay or armed.swallow is not None:
            return False
        self._schedule.after(trigger.delay, self._launch, armed, None, link, words)
        return True

    def _strikes(self, due: list[tuple[Armed, str]], link: str) -> Strike:
        for armed, _ in due:
            armed.striking = True
        waiting = [self.stand_still(armed, link) for armed, _ in due]

        async def run(held: Held) -> None:
            for (armed, words), go_on in zip(due, waiting, strict=True):
                try:
                    await self._run(armed, held, link, words)
                finally:
                    go_on()

        return run

    def _launch(self, armed: Armed, held: Held | None, link: str | None, words: str) -> None:
        with self._lock:
            if armed in self._waiting:
                self._waiting.remove(armed)
        if not (armed.fired or armed.striking or armed.withdrawn or self._over):
            armed.striking, armed.words = True, words
            self._thread.spawn(self._run(armed, held, link, words))

    async def _run(self, armed: Armed, held: Held | None, link: str | None, words: str) -> None:
        assert self.strike is not None
        try:
            async with asyncio.timeout(_STRIKE_TIMEOUT):
                await self.strike(armed, held, link, words)
        except ChaosError as error:
            armed.error = error
        except TimeoutError:
            armed.error = ChaosError(f"{armed.fault} was still striking after {_STRIKE_TIMEOUT:g} s")
        except Exception as error:
            armed.error = ChaosError(f"{armed.fault} failed: {type(error).__name__}: {error}")
        finally:
            armed.striking = False
            if armed.swallow is not None and not armed.fired and not self._over:
                with self._lock:
                    self._waiting.append(armed)
            else:
                armed.done.set()
                if armed.heal is None:
                    armed.healed.set()
            with self._history.changed:
                self._history.changed.notify_all()


def _counted(fault: Fault) -> str:
    """Over whose events a fault's trigger counts: those of the consumer it names, else all."""
    if fault.consumer in (None, "*") or (fault.trigger and fault.trigger.kind in ("publish", "confirm")):
        return "*"
    return base_name(str(fault.consumer))


def _at_what_it_sends(armed: Armed) -> bool:
    """Whether a fault strikes a consumer's processes at a frame of their own, or at an effect before one."""
    trigger = armed.trigger
    return (
        armed.fault.family == "process"
        and trigger is not None
        and trigger.kind in ("ack", "nack", "effect")
        and not trigger.delay
    )


def _awaits_effect(armed: Armed) -> bool:
    return armed.trigger is not None and armed.trigger.kind == "effect" and armed.swallow is None


def _is_place_of(armed: Armed, relay: Relay) -> bool:
    """Whether a settlement here may be what a fault strikes at behind an effect; a lost ack is of one connection."""
    return armed.fault.family != "protocol" or armed.connection in (None, relay.number)
