"""The injector: counts what passes on the wire, and says which fault strikes at which frame.

Its counters belong to the link's thread, but for those of effects, which any thread may read. A fault is *armed*
until its moment, then *fired*; one that disturbs for a while is later *healed*. What a strike does stands in `strikes`.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from pytest_mqchaos.errors import ChaosError, UsageError
from pytest_mqchaos.experiment.consumers.names import aimed
from pytest_mqchaos.experiment.striking.armed import Armed, Swallow
from pytest_mqchaos.experiment.striking.asking import Asking
from pytest_mqchaos.experiment.striking.calls import Calls
from pytest_mqchaos.experiment.striking.counts import Counts, counted
from pytest_mqchaos.experiment.striking.effects import Effects
from pytest_mqchaos.experiment.striking.matching import Matching
from pytest_mqchaos.experiment.striking.runs import Runs
from pytest_mqchaos.experiment.striking.sightings import KINDS, OWN_KINDS, Order, Sightings
from pytest_mqchaos.experiment.striking.striker import Nobody, Striker
from pytest_mqchaos.experiment.striking.tripwires import Tripwires
from pytest_mqchaos.experiment.striking.waiting import Waiting
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.link.relay import Relay
from pytest_mqchaos.link.tap import Strike
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.events import LinkEvent
from pytest_mqchaos.model.faults import Fault
from pytest_mqchaos.model.history import History, now
from pytest_mqchaos.model.triggers import Trigger

__all__ = ["Armed", "Injector", "Swallow"]

_SEEDED = {
    "lost_ack": ("before", Trigger(kind="ack")),
    "lost_confirm": ("before", Trigger(kind="confirm")),
    "canary": ("before", Trigger(kind="delivery")),
}
"""The moment of a fault that names none, where it is not after a delivery."""


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
        self._history = history
        self._thread = thread
        self._rng = rng
        self._order = Order(history)
        self._counts = Counts()
        self._waiting = Waiting()
        self._runs = Runs(history, thread, self._waiting)
        self._runs.repeats.enlist = self._enlist
        self._tripwires = Tripwires(self._waiting, self._counts, self._order)
        self._matching = Matching(self._waiting, self._counts, self._order)
        self._effects = Effects(
            thread, self._waiting, self._counts, self._matching, self._runs, read=poll_effects
        )
        self.asking = Asking(self._waiting, self._counts, self._order, self._runs, read=poll_effects)
        self.calls = Calls(self._waiting, self._counts, self._matching, self._runs)
        self._striker: Striker = Nobody()
        self._first_publish: int | None = None

    def bind(self, striker: Striker) -> None:
        """Say who strikes; before that nothing is struck."""
        self._striker = self._runs.striker = self._tripwires.striker = striker
        self._matching.striker = self._effects.striker = self.asking.striker = striker
        self.calls.striker = striker

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
        if fault.trigger is None and (by_hand or fault.lasting):
            return armed
        if armed.trigger is None:
            armed.position, armed.trigger = _SEEDED.get(fault.kind, ("after", Trigger(kind="delivery")))
        self._thread.soon(self._enlist, armed)
        return armed

    def fire_now(self, armed: Armed) -> None:
        """Strike at once, by hand."""
        self._thread.soon(self._runs.launch, armed, None, "by hand")

    def opened(self, link: str, *, service: bool = False, producer: bool = False) -> None:
        """Let faults that are there from the start strike a link that was just opened, and wait until they have.

        Args:
            link: its name.
            service: whether it leads to another service than the broker.
            producer: whether a producer uses it: only what names that strikes it.

        Raises:
            ChaosError: if one cannot.
        """
        for armed in self.armed:
            from_start = armed.fault.lasting and armed.trigger is None and (armed.fired or not armed.by_hand)
            if link == "publisher" or not from_start or armed.healed.is_set():
                continue
            if producer and armed.fault.consumer in (None, "*"):
                continue
            wanted = armed.fault.link
            if wanted == link if service or wanted else aimed(armed.fault.consumer, link):
                self._thread.call(self._runs.at_start(armed, link), timeout=30.0, what=f"{armed.fault}")
            if armed.error is not None:
                raise armed.error

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
                least = min(most, self.count(trigger, counted(armed.fault)) + 1)
                first, *armed.moments = self._seeded(armed.fault, least, most)
                armed.trigger = replace(trigger, n=first)
        self._thread.soon(self._tripwires.adjust)

    def _seeded(self, fault: Fault, least: int, most: int) -> list[int]:
        """Choose the numbers of moments: one, or one for each strike where it is not said how far apart."""
        if fault.times == 1 or fault.every is not None:
            return [self._rng.randint(least, most)]
        return sorted(self._rng.sample(range(least, most + 1), min(fault.times, most - least + 1)))

    @property
    def due(self) -> bool:
        """Whether the moment of a fault has come that has not begun to strike."""
        return self._effects.due

    @property
    def strikes_broker(self) -> bool:
        """Whether a fault has the broker in its hands now."""
        return any(armed.striking and armed.fault.family == "broker" for armed in self.armed)

    def count(self, trigger: Trigger, consumer: str = "*") -> int:
        """How many events of the trigger's kind there were."""
        return self._counts.of(trigger, consumer)

    @property
    def counts(self) -> Counter[tuple[str, str, str]]:
        """How many events there were by kind, consumer and queue, `*` for all of them."""
        return self._counts.all

    def pause(self) -> None:
        """Let no fault strike by its time until `resume`: what is to come at a moment of the stream still does."""
        self._thread.soon(self._runs.schedule.pause)

    def resume(self) -> None:
        """Let time pass again, from where it stood."""
        self._thread.soon(self._runs.schedule.resume)

    def withdraw(self, armed: Armed, timeout: float) -> None:
        """Let a fault that has not struck strike no more, and return; one that strikes now is waited for.

        Raises:
            ChaosError: if its strike takes longer than `timeout` seconds.
        """

        async def leave() -> bool:
            withdrawn = self._waiting.withdraw(armed)
            if withdrawn:
                so_far = (
                    f"after {armed.struck} of {armed.fault.times} strikes"
                    if armed.fired
                    else "before it struck"
                )
                text = f"{armed.fault}: disarmed at the end of its block, {so_far}"
                self._history.append(facts.Noted(at=now(), text=text))
                armed.done.set()
            return withdrawn is not None

        while not self._thread.call(leave(), timeout=10.0, what=f"disarming {armed.fault}"):
            self.await_strikes([armed], timeout)

    def disarm(self, timeout: float) -> None:
        """Let nothing strike any more, and wait until what strikes is done.

        Raises:
            ChaosError: if a strike takes longer than `timeout` seconds.
        """

        async def end() -> None:
            self._waiting.end()
            self._tripwires.adjust()
            self.asking.end()
            for armed, _, _ in self._effects.take_due():
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
        so_far = self.count(trigger, counted(fault))
        if so_far >= trigger.n:
            raise UsageError(f"{fault}: {trigger} has already happened ({so_far} so far)")

    def plant(self, armed: Armed, place: int) -> None:
        """Let the canary strike at the message at a place in the order of publishing."""
        armed.trigger = Trigger(kind="delivery", message=place)

    # --- on the link's thread ---

    def _enlist(self, armed: Armed) -> None:
        self._waiting.add(armed)
        self._tripwires.adjust()
        trigger = armed.trigger
        if trigger is not None and trigger.kind == "seconds" and (armed.by_hand or self._first_publish):
            started = now() if armed.by_hand else (self._first_publish or now())
            self._at_time(armed, started)
        if trigger is not None and trigger.kind == "effect":
            self._effects.poll()
            self.asking.enlist()

    def _at_time(self, armed: Armed, started: int) -> None:
        assert armed.trigger is not None
        wait = armed.trigger.time + armed.trigger.delay - (now() - started) / 1e9
        self._runs.schedule.after(wait, self._runs.launch, armed, None, str(armed.trigger))

    def before_settlement(self, relay: Relay) -> Strike | None:
        """Read the effects before a settlement is passed on; return the strikes that are due on this link by then."""
        return self._effects.before_settlement(relay)

    def look(self) -> None:
        """Read the effects; what is due by them strikes soon."""
        self._effects.read()

    def saw_effect(self, event: facts.Effected) -> None:
        """Count an effect, and stop who is to be struck at it; called from whichever thread has read it."""
        self._effects.saw(event)
        self.asking.saw(event)
        if self._tripwires.set:
            self._thread.soon(self._tripwires.adjust)

    def match(self, relay: Relay, found: Sequence[LinkEvent]) -> Strike | None:
        """Count the facts of one frame and return what strikes at it."""
        due: list[tuple[Armed, str]] = []
        for fact in found:
            message = getattr(fact, "message", None)
            if (own := OWN_KINDS.get(type(fact))) is not None:
                self._counts.saw_own(own, fact)
                if self._waiting:
                    due += self._matching.due_at(own, relay, None, message, own=True)
                continue
            kind = KINDS.get(type(fact))
            if kind is None or message is None:
                continue
            queue = self._counts.saw(kind, fact, message)
            if kind == "publish" and self._first_publish is None:
                self._started(fact.at)
            if self._waiting:
                due += self._matching.due_at(kind, relay, queue, message)
        if not due:
            self._tripwires.adjust()
            return None
        link = relay.observer.link
        now_due = [(armed, words) for armed, words in due if not self._runs.delayed(armed, link, words)]
        for armed, _ in now_due:
            self._striker.stop_first(armed, link)
        self._tripwires.adjust()
        return self._runs.at_frame(now_due, link) if now_due else None

    def _started(self, at: int) -> None:
        self._first_publish = at
        for armed in self._waiting:
            if armed.trigger is not None and armed.trigger.kind == "seconds" and not armed.by_hand:
                self._at_time(armed, at)
