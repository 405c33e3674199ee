"""Settling: conservation of messages, not a sleep.

A run is settled when publications ended, no armed fault can strike any more, all is healed, every confirmed message
is terminal in all its copies, and an exact census agrees, twice, with nothing seen in between. Then the effects of
what is terminal and good are waited for. It is over unsettled when nothing progresses for the time-out, or when
nothing is left that could.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
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
    """

    history: History
    ledger: Ledger
    run: Surroundings
    timeout: float
    effect_timeout: float
    clock: Callable[[], float] = time.monotonic

    def wait(self) -> facts.SettleEnded:
        """Wait until the run is settled or over, and return which.

        Raises:
            ChaosError: if the ground under the run is gone.
        """
        progress, moved = -1, self.clock()
        counted = 0.0
        quiet_since: int | None = None
        stuck = ""
        while True:
            self.run.check()
            self.run.poll_effects()
            mark = self.ledger.progress + self.run.steps()
            busy = self._busy()
            # Publications and faults end by themselves, and have deadlines of their own.
            if mark != progress or busy:
                progress, moved = mark, self.clock()
            if not busy and (self._looks_still() or self.clock() - counted >= _CENSUS_EVERY):
                seen = len(self.history)
                self.run.census()
                counted = self.clock()
                settled, held = self.run.settled()
                if settled and self._quiet(quiet_since, seen) and not self._busy():
                    if (end := self._wait_for_effects()) is not None:
                        return end
                    quiet_since = None
                    continue
                first, quiet_since = quiet_since is None, seen if settled else None
                if settled and first:
                    continue
                if not settled and not self.run.can_progress():
                    # A broker that was just left still counts its connections: ask once more before giving up.
                    if stuck == held:
                        return self._over(f"nothing is left that could progress: {held}")
                    stuck, counted = held, self.clock() + _PAUSE - _CENSUS_EVERY
                else:
                    stuck = ""
                busy = held
            if (
                self.clock() - moved > self.timeout
                and self.clock() - moved > self.timeout + self.run.longest_wait()
            ):
                return self._over(
                    f"no progress for {self.timeout:g} s: {busy or 'messages are on their way'}"
                )
            self._pause()

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

    def _wait_for_effects(self) -> facts.SettleEnded | None:
        """Wait for work that may follow an ack; a true loss costs no time-out once its holders have ended.

        Returns None if a fault struck meanwhile: then the run has to settle again.
        """
        since, last = self.clock(), -1
        while True:
            self.run.check()
            self.run.poll_effects()
            if self._busy():
                return None
            missing = self.run.missing()
            if len(missing) != last:
                since, last = self.clock(), len(missing)
            if not missing or not self.run.workable(missing) or self.clock() - since > self.effect_timeout:
                return facts.SettleEnded(at=now(), settled=True)
            self._pause()

    def _over(self, reason: str) -> facts.SettleEnded:
        return facts.SettleEnded(at=now(), settled=False, reason=reason)


def _moves(event: facts.Event) -> bool:
    """Whether an event may have moved a message of ours."""
    if isinstance(event, _IDLE):
        return False
    return not isinstance(event, facts.LinkEvent) or getattr(event, "message", "") is not None
