"""Settling: conservation of messages, not a sleep.

A run is settled when publications ended, no armed fault can strike any more, all is healed, every confirmed message
is terminal in all its copies, and an exact census agrees, twice, with nothing seen in between. Then the effects of
what is terminal and good are waited for, and, where nothing may be done twice, consumers that lost their link with
deliveries in hand. It is over unsettled when nothing progresses for the time-out, or when
nothing is left that could.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import History, now
from pytest_mqchaos.model.ledger import Ledger

__all__ = ["Settling", "Surroundings"]

_PAUSE = 0.02
"""Seconds after which the state is looked at again though nothing was seen."""
_CENSUS_EVERY = 0.25
"""Seconds between two censuses while the wire's own table still shows messages on their way."""
_IDLE = (
    facts.CensusTaken,
    facts.Polled,
    facts.QueueDeclared,
    facts.LinkOpened,
    facts.ChannelOpened,
    facts.Subscribed,
    facts.FaultArmed,
    facts.Noted,
    facts.Called,
    facts.Answered,
)
"""What moves no message: a consumer that polls an empty queue does it without end."""


class Surroundings(Protocol):
    """What settling asks of the run."""

    def check(self) -> None:
        """Raise a `ChaosError` if the ground is gone: the broker, the network, a publication, a strike."""

    def publishing(self) -> bool:
        """Whether a publication still runs."""

    def disturbed(self) -> str:
        """What still disturbs (a fault with a duration, a strike under way), or an empty text."""

    def calm(self) -> bool:
        """Heal what lasts until the run has settled; return whether there was anything."""

    def poll_effects(self) -> None:
        """Read all sources of effects, in this thread."""

    def census(self) -> None:
        """Ask the broker what it holds and write the answer into the history."""

    def settled(self) -> tuple[bool, str]:
        """Whether messages are conserved by the wire and the last census, else what is on its way."""

    def can_progress(self) -> bool:
        """Whether any process, restart, connection or TTL is left that could move a message."""

    def missing(self) -> Sequence[str]:
        """Ids of messages that are terminal and good and whose effects are not all there."""

    def workable(self, messages: Iterable[str]) -> bool:
        """Whether a process that held one of these messages still lives."""

    def absent(self) -> Collection[str]:
        """Living consumers that may still be at work for what the broker has taken back from them."""

    def longest_wait(self) -> float:
        """The longest time in seconds that a message may sit in a waiting room: it extends the time-out."""

    def steps(self) -> int:
        """A number that grows with what a run does besides moving messages: sent, struck, healed, started."""


@dataclass(slots=True)
class Settling:
    """One settle.

    Attributes:
        timeout: seconds without progress after which the run is over unsettled.
        effect_timeout: seconds that a missing effect of a terminal message is waited for.
        once: whether it matters that work may be done twice: then a consumer that lost its link with deliveries
            in hand is waited for, at most `timeout` seconds.
    """

    history: History
    ledger: Ledger
    run: Surroundings
    timeout: float
    effect_timeout: float
    once: bool = False
    clock: Callable[[], float] = time.monotonic
    _missing: tuple[int, float] = field(default=(-1, 0.0), init=False)
    """How many effects were missing when that changed last, and when that was."""
    _progress: int = field(default=-1, init=False)
    _moved: float = field(default=0.0, init=False)
    """When it progressed last."""
    _counted: float = field(default=0.0, init=False)
    """When the last census was taken."""
    _settled_since: int | None = field(default=None, init=False)
    """The number of events before the first of the censuses in a row that show nothing on its way."""
    _stuck: tuple[str, int] = field(default=("", 0), init=False)
    """What was held when nothing was left that could progress, and the number of events before that census."""

    def wait(self) -> facts.SettleEnded:
        """Wait until the run is settled or over, and return which.

        Faults that last are healed then: what is judged is the end state without them.

        Raises:
            ChaosError: if the ground under the run is gone.
        """
        end = self._end()
        while self.run.calm():
            end = self._end()
        return end

    def _end(self) -> facts.SettleEnded:
        self._moved = self.clock()
        while True:
            self.run.check()
            self.run.poll_effects()
            busy = self._busy()
            self._look(busy)
            if not busy and (self._looks_still() or self.clock() - self._counted >= _CENSUS_EVERY):
                found = self._count()
                if isinstance(found, facts.SettleEnded):
                    return found
                if found is None:
                    continue
                busy = found
            if self._out_of_time():
                what = busy or "messages are on their way"
                idle = max(
                    self.timeout, float(int(self.clock() - self._moved))
                )  # a waiting room makes it longer
                return self._over(f"no progress for {idle:g} s: {what}")
            self._pause()

    def _look(self, busy: str) -> None:
        """Note progress. Publications and faults end by themselves, and have deadlines of their own."""
        mark = self.ledger.progress + self.run.steps()
        if mark != self._progress or busy:
            self._progress, self._moved = mark, self.clock()

    def _out_of_time(self) -> bool:
        idle = self.clock() - self._moved
        if idle <= self.timeout or idle <= self.timeout + self.run.longest_wait():
            return False
        self._look("")  # what ended a wait just now was progress, and came after the last look
        return self.clock() - self._moved > self.timeout

    def _count(self) -> facts.SettleEnded | str | None:
        """Take a census; return the end, or what is held, or None to look again at once."""
        seen = len(self.history)
        self.run.census()
        self._counted = self.clock()
        settled, held = self.run.settled()
        if not settled:
            self._settled_since = None
            return self._held(held, seen)
        if self._quiet(self._settled_since, seen) and not self._busy():
            self._settled_since = None
            return self._wait_for_work()
        first, self._settled_since = self._settled_since is None, seen
        return None if first else ""

    def _held(self, held: str, seen: int) -> facts.SettleEnded | str:
        """What is held, or the end if nothing is left that could progress."""
        if self.run.can_progress():
            self._stuck = ("", 0)
            return held
        # A broker that was just left still counts its connections: ask once more before giving up.
        before, since = self._stuck
        if before == held and self._quiet(since, seen):
            return self._over(f"nothing is left that could progress: {held}")
        self._stuck, self._counted = (held, seen), self.clock() + _PAUSE - _CENSUS_EVERY
        return held

    def _quiet(self, since: int | None, until: int) -> bool:
        """Whether nothing was seen to move between two censuses, given by the number of events before each."""
        if since is None:
            return False
        return not any(_moves(event) for event in self.history[since:until])

    def _busy(self) -> str:
        if self.run.publishing():
            return "still publishing"
        return self.run.disturbed()

    def _looks_still(self) -> bool:
        """Whether the wire's own table says that nothing is on its way: then the census is asked at once."""
        with self.history.changed:
            return self.ledger.looks_settled()

    def _pause(self) -> None:
        with self.history.changed:
            self.history.changed.wait(_PAUSE)

    def _wait_for_work(self) -> facts.SettleEnded | None:
        """Wait for work that may follow an ack, or go on without its link.

        A true loss costs no time-out once its holders have ended. Returns None if a fault struck meanwhile, or
        anything moved: then the run has to settle again.
        """
        seen = len(self.history)
        while True:
            self.run.check()
            self.run.poll_effects()
            fresh = self.history[seen:]
            seen += len(fresh)
            if self._busy() or any(_moves(each) and not isinstance(each, facts.Effected) for each in fresh):
                return None
            if not self._effects_may_come() and not self._hands_are_out():
                return facts.SettleEnded(at=now(), settled=True)
            self._pause()

    def _effects_may_come(self) -> bool:
        missing = self.run.missing()
        if len(missing) != self._missing[0]:
            self._missing = len(missing), self.clock()
        in_time = self.clock() - self._missing[1] <= self.effect_timeout
        return bool(missing) and self.run.workable(missing) and in_time

    def _hands_are_out(self) -> bool:
        """Whether somebody may do again what others have done, and that matters."""
        return self.once and self.clock() - self._moved <= self.timeout and bool(self.run.absent())

    def _over(self, reason: str) -> facts.SettleEnded:
        return facts.SettleEnded(at=now(), settled=False, reason=reason)


def _moves(event: facts.Event) -> bool:
    """Whether an event may have moved a message of ours."""
    if isinstance(event, _IDLE):
        return False
    return not isinstance(event, facts.LinkEvent) or getattr(event, "message", "") is not None
