"""Faults that strike more than once: when a strike is over, the next moment is waited for.

Which that is stands in `model.faults.repeats`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pytest_mqchaos.experiment.striking.armed import Armed
from pytest_mqchaos.experiment.striking.schedule import Schedule
from pytest_mqchaos.experiment.striking.waiting import Waiting
from pytest_mqchaos.model.history import now

__all__ = ["Repeats"]


class Repeats:
    """Arms a fault for its next strike; on the link's thread only.

    Args:
        waiting: the faults that wait.
        schedule: what is to come at a time.
        launch: lets a fault strike at a time.
    """

    def __init__(
        self, waiting: Waiting, schedule: Schedule, launch: Callable[[Armed, str | None, str], None]
    ) -> None:
        self.enlist: Callable[[Armed], object] = waiting.add
        """Lets a fault wait for an event."""
        self._waiting = waiting
        self._schedule = schedule
        self._launch = launch

    def __call__(self, armed: Armed) -> None:
        """Let a fault whose strike is over wait for its next moment, if it has one."""
        trigger = armed.trigger
        if armed.struck >= armed.fault.times or trigger is None or armed.pending:
            return
        if armed.withdrawn or armed.error is not None or self._waiting.over:
            return
        armed.pending, armed.position, armed.swallow = True, armed.first_position, None
        if trigger.kind == "seconds":
            self._at_time(armed)
            return
        if trigger.n is not None:
            step = int(armed.fault.every or 1)
            following = armed.moments.pop(0) if armed.moments else trigger.n + step
            armed.trigger = replace(trigger, n=following)
        self.enlist(armed)

    def _at_time(self, armed: Armed) -> None:
        apart = armed.fault.every or 0.0
        due = armed.since + int(armed.struck * apart * 1e9)
        words = f"{armed.trigger} + {armed.struck * apart:g} s"
        self._schedule.after(max(0.0, (due - now()) / 1e9), self._launch, armed, None, words)
