"""Strikes on a consumer's processes: killed, or asked to end."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from contextlib import suppress

from pytest_mqchaos.consumers.consumer import Replica
from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.striking.armed import Armed
from pytest_mqchaos.experiment.striking.course import Course
from pytest_mqchaos.experiment.striking.moment import Moment
from pytest_mqchaos.experiment.striking.targets import Targets
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import History, now

__all__ = ["Kills"]

_STOP_TIMEOUT = 2.0


class Kills:
    """Strikes processes. They stand (SIGSTOP) before anything else is done, so that they get no further."""

    def __init__(self, course: Course, targets: Targets, *, history: History, thread: LoopThread) -> None:
        self._course = course
        self._targets = targets
        self._history = history
        self._thread = thread

    def stop_first(self, armed: Armed, link: str) -> None:
        """Send SIGSTOP to the processes that are about to be struck, before anything else is done or waited for.

        A consumer works on while we decide; what it gets done in that time blurs the moment.
        """
        if armed.fault.family == "process":
            for replica in self._targets.replicas(Moment(armed, None, link, "")):
                if replica.process is not None and replica.alive:
                    with suppress(ChaosError):  # the strike itself will say so
                        replica.process.stop()

    async def crash(self, moment: Moment) -> None:
        """Kill process groups, first processes or children, and what they said behind X with them."""
        replicas = self._targets.replicas(moment)
        process = str(moment.fault.option("process"))
        await self._stop(replicas)
        moment.let_x_go = process == "child"
        await self._course.settle_x(moment)
        names = [replica.name for replica in replicas]
        if process != "child":
            self._course.fired(moment, names, changed=any(one.alive for one in replicas), actor="signal")
        if process == "group":
            # The group stands and will not run again. Its connections end first, so that nothing is counted as
            # delivered to the process that is started in its place.
            for relay in [relay for replica in replicas for relay in self._targets.connections(replica)]:
                relay.cause = "fault"
                relay.close("fault")
        relays = [relay for replica in replicas for relay in self._targets.connections(replica)]
        hit = [
            await self._thread.blocking(self._kill, replica, process, moment.armed.port)
            for replica in replicas
        ]
        if not moment.let_x_go or moment.position == "after":
            # The rest of the group may go on; what the dead one said behind X dies with it.
            for relay in relays:
                if relay.client_left or (process == "main" and relay is moment.relay):
                    relay.cause = "fault"
                    relay.close("fault")
        if process == "child":
            self._course.fired(moment, names, changed=any(hit), actor="signal")
            await self._continue(replicas)

    def _kill(self, replica: Replica, process: str, port: int | None) -> bool:
        return replica.crash(process=process, port=port)

    async def terminate(self, moment: Moment) -> None:
        """Ask processes to end; what is left of them when the grace is over is killed."""
        replicas = self._targets.replicas(moment)
        grace = float(str(moment.fault.option("grace")))
        await self._stop(replicas)
        moment.let_x_go = True
        await self._course.settle_x(moment)
        names = [replica.name for replica in replicas]
        self._course.fired(moment, names, changed=any(one.alive for one in replicas), actor="signal")
        asked = " or ".join(dict.fromkeys(replica.asking for replica in replicas))
        for replica in replicas:
            replica.begin_end(signal.SIGTERM)
        armed = moment.armed

        async def wait() -> None:
            try:
                spent = await self._thread.blocking(self._finish_end, replicas, grace)
                text = f"{armed.fault}: ended {spent:.3f} s after {asked}"
                self._history.append(facts.Noted(at=now(), text=text))
                self._course.healed(armed)
            except Exception as error:
                self._course.unhealed(armed, error)

        armed.heal = wait
        self._thread.spawn(wait())

    def _finish_end(self, replicas: Sequence[Replica], grace: float) -> float:
        started = time.monotonic()
        for replica in replicas:
            replica.finish_end(max(0.0, grace - (time.monotonic() - started)))
        return time.monotonic() - started

    async def _stop(self, replicas: Sequence[Replica]) -> None:
        for replica in replicas:
            if replica.alive:
                await self._thread.blocking(replica.stop_and_wait, _STOP_TIMEOUT)

    async def _continue(self, replicas: Sequence[Replica]) -> None:
        for replica in replicas:
            if replica.alive:
                await self._thread.blocking(replica.cont)
