"""Strikes at calls of a service of ours: before it works on a request, or behind its answer.

The request stands on a connection that is not of the broker. So nothing is held there: the service waits with its
answer while what strikes before it does, and what strikes after it begins in the moment that the answer is written.
"""

from __future__ import annotations

from dataclasses import dataclass

from pytest_mqchaos.experiment.consumers.names import scoped
from pytest_mqchaos.experiment.striking.armed import Armed
from pytest_mqchaos.experiment.striking.counts import Counts
from pytest_mqchaos.experiment.striking.matching import Matching
from pytest_mqchaos.experiment.striking.runs import Runs
from pytest_mqchaos.experiment.striking.striker import Nobody, Striker
from pytest_mqchaos.experiment.striking.waiting import Waiting
from pytest_mqchaos.model.names import base_name

__all__ = ["CallStrikes", "Calls"]


_CUTS = ("connection_drop", "connection_reset", "refuse")


@dataclass(frozen=True, slots=True)
class CallStrikes:
    """The faults whose moment one call is."""

    before: tuple[Armed, ...]
    after: tuple[Armed, ...]
    link: str | None
    """Of the consumer that called, or that had the message last."""

    @property
    def cut(self) -> bool:
        """Whether a way to a service was cut before this call: maybe that by which it came."""
        return any(
            one.fault.link is not None and one.fault.kind in _CUTS and one.fired for one in self.before
        )


class Calls:
    """Counts calls and lets faults strike at them; on the link's thread."""

    def __init__(self, waiting: Waiting, counts: Counts, matching: Matching, runs: Runs) -> None:
        self.striker: Striker = Nobody()
        self._waiting = waiting
        self._counts = counts
        self._matching = matching
        self._runs = runs

    def came(self, service: str, link: str | None, message: str) -> CallStrikes:
        """Count a call and take out the faults that strike at it; who is to be struck before it stands from now on."""
        had_by, connection = self._counts.handed.get(message, (None, None))
        whose = link or had_by
        self._counts.tick("call", "" if whose is None else base_name(whose), service)
        reached = self._waiting.reached(lambda one: self._reached(one, service, whose, message))
        for armed in reached:
            armed.words, armed.message = f"{armed.trigger} ({message})", message
            armed.connection = connection if whose == had_by else None
        strikes = CallStrikes(
            before=tuple(armed for armed in reached if armed.position == "before"),
            after=tuple(armed for armed in reached if armed.position != "before"),
            link=whose,
        )
        self._stop_first(strikes.before, whose)
        return strikes

    async def before(self, strikes: CallStrikes) -> None:
        """Strike before the service works."""
        for armed in strikes.before:
            if not self._runs.delayed(armed, strikes.link, armed.words):
                await self._runs.at_effect(armed, armed.words, strikes.link)

    def answering(self, strikes: CallStrikes) -> None:
        """Stop who is to be struck behind an answer that is about to be written."""
        self._stop_first(strikes.after, strikes.link)

    def answered(self, strikes: CallStrikes) -> None:
        """Let strike what strikes behind an answer: nothing that the consumer says from now on passes before."""
        for armed in strikes.after:
            if not self._runs.delayed(armed, strikes.link, armed.words):
                self._runs.at_effect(armed, armed.words, strikes.link)

    def _stop_first(self, faults: tuple[Armed, ...], link: str | None) -> None:
        for armed in faults:
            if armed.trigger is not None and not armed.trigger.delay:
                self.striker.stop_first(armed, link or "")

    def _reached(self, armed: Armed, service: str, link: str | None, message: str) -> bool:
        trigger = armed.trigger
        if trigger is None or trigger.kind != "call" or armed.swallow is not None:
            return False
        if trigger.service not in (None, service) or (link is not None and not scoped(armed.fault, link)):
            return False
        return self._matching.reached(armed, trigger, message)
