"""Strikes that let a consumer stand still for a while."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pytest_mqchaos.consumers.consumer import Replica
from pytest_mqchaos.consumers.process import Process
from pytest_mqchaos.experiment.striking.armed import Armed
from pytest_mqchaos.experiment.striking.course import Course
from pytest_mqchaos.experiment.striking.moment import Moment
from pytest_mqchaos.experiment.striking.targets import Targets
from pytest_mqchaos.link.loop import LoopThread

__all__ = ["Freezes"]

_Standing = Sequence[tuple[Replica, Process]]


class Freezes:
    """Stops process groups, and lets them go on when the last freeze on them is over.

    A process that ends meanwhile is no longer frozen, and the one started in its place never was. One that the test
    has frozen by hand stands already: that is for the test to end.
    """

    def __init__(self, course: Course, targets: Targets, *, thread: LoopThread) -> None:
        self._course = course
        self._targets = targets
        self._thread = thread
        self._holds: Counter[Process | None] = Counter()

    async def __call__(self, moment: Moment) -> None:
        """Let process groups stand still; X goes on once they do."""
        replicas = self._targets.replicas(moment)
        standing = [(one, one.process) for one in replicas if one.process is not None and self._may_stop(one)]
        stood = False
        for replica, process in standing:
            self._holds[process] += 1
            await self._thread.blocking(replica.stop_and_wait)
            stood = stood or process.alive
        moment.let_x_go = True
        await self._course.settle_x(moment)
        self._course.fired(moment, [one.name for one in replicas], changed=stood, actor="signal")
        for replica, process in standing:
            # another fault may have ended it by now, and a new one run in its place
            await self._thread.blocking(replica.freeze, process)
        self._course.lasts(moment.armed, lambda: self._thaw(moment.armed, standing))
        self._thread.spawn(self._course.heal_later(moment.armed, moment.fault.duration or 0.0))

    def _may_stop(self, replica: Replica) -> bool:
        return replica.alive and (not replica.held or self._holds[replica.process] > 0)

    async def _thaw(self, armed: Armed, standing: _Standing) -> None:
        for replica, process in standing:
            self._holds[process] -= 1
            if self._holds[process] > 0:
                continue
            del self._holds[process]
            if replica.process is process:
                await self._thread.blocking(replica.thaw)
        self._course.healed(armed)
