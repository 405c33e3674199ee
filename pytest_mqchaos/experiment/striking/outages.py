"""Strikes on the broker: stopped and started, killed and started (meanwhile every link refuses), frozen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Literal

from pytest_mqchaos.brokers._protocol import Broker
from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.links import Links
from pytest_mqchaos.experiment.striking.ages import Ages
from pytest_mqchaos.experiment.striking.armed import Armed
from pytest_mqchaos.experiment.striking.course import Course
from pytest_mqchaos.experiment.striking.cuts import Cuts
from pytest_mqchaos.experiment.striking.moment import Moment
from pytest_mqchaos.experiment.striking.targets import Targets
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.faults import Fault
from pytest_mqchaos.model.history import History, now

__all__ = ["Outages"]

_BROKER_TIMEOUT = 90.0
_REST_TIMEOUT, _REST = 3.0, 0.2
_OF_AGE = 3.0
"""Seconds after which a queue outlives the kill of its broker."""


class Outages:
    """Takes the run's own broker down and brings it back."""

    def __init__(
        self,
        course: Course,
        targets: Targets,
        cuts: Cuts,
        *,
        history: History,
        thread: LoopThread,
        links: Links,
        broker: Broker,
        namespace: str,
        ages: Ages,
    ) -> None:
        self._course = course
        self._targets = targets
        self._cuts = cuts
        self._history = history
        self._thread = thread
        self._links = links
        self._broker = broker
        self._namespace = namespace
        self._ages = ages
        self._alone = asyncio.Lock()
        """One fault at a time has the broker in its hands; another one waits for it."""
        self._freezes: list[Armed] = []
        """The faults that keep it frozen."""

    async def restart(self, moment: Moment) -> None:
        """Stop the broker cleanly and start it again."""
        async with self._alone:
            await self._wake(moment.fault)
            await self._outage(moment, "restart", self._broker.stop_app, self._broker.start_app)

    async def crash(self, moment: Moment) -> None:
        """Kill the broker and start it again."""
        # By hand too the moment is the one asked for: the stream does not flow on while queues come of age.
        go_on = self._targets.stand_still(moment.armed, moment.link)
        try:
            async with self._alone:
                await self._wake(moment.fault)
                await self._thread.blocking(self._come_of_age, moment.fault)
                await self._outage(moment, "crash", self._broker.crash, self._broker.start_again)
        finally:
            go_on()

    async def _wake(self, fault: Fault) -> None:
        """End the freezes in force: a broker that stands still says no goodbye, and does not tell its queues' age."""
        for armed in list(self._freezes):
            text = f"{fault}: the broker stood still ({armed.fault}), and goes on first"
            self._history.append(facts.Noted(at=now(), text=text))
            await self._go_on(armed)

    async def _outage(
        self,
        moment: Moment,
        how: Literal["restart", "crash"],
        down: Callable[[], None],
        up: Callable[[], None],
    ) -> None:
        """Take the broker down and bring it back, at its address; meanwhile every link refuses."""
        await self._course.settle_x(moment)
        self._course.fired(moment, ["broker"], changed=True, actor="broker")
        self._links.refuse()
        self._cuts.serving.clear()
        standing = self._targets.connected()
        for relay in standing:
            relay.hold()
        try:
            await self._thread.blocking(self._come_to_rest)
            if how == "restart":
                # The broker's goodbye must get through; what was said behind X dies with the connection.
                for relay in standing:
                    relay.let_goodbye()
            self._history.append(facts.BrokerStopped(at=now(), how=how))
            await self._thread.blocking(down)
            await self._gone()
            await self._thread.blocking(up)
            await self._thread.blocking(self._await_leaders)
            await self._reachable(moment.fault)
            self._history.append(facts.BrokerStarted(at=now(), how=how))
        finally:
            self._cuts.serving.set()
            for relay in standing:
                relay.release()
            await self._links.welcome()
        self._course.healed(moment.armed)

    async def freeze(self, moment: Moment) -> None:
        """Let the broker stand still, until the last freeze on it is healed."""
        moment.let_x_go = True
        async with self._alone:
            if not self._freezes:
                # Of a broker that stands already nobody can learn whether X arrived: then it goes on with the rest.
                await self._course.settle_x(moment)
            self._course.fired(moment, ["broker"], changed=True, actor="broker")
            if not self._freezes:
                self._history.append(facts.BrokerStopped(at=now(), how="freeze"))
                await self._thread.blocking(self._broker.freeze)
            self._freezes.append(moment.armed)
            self._course.lasts(moment.armed, lambda: self._thaw(moment.armed))
        if moment.fault.duration is not None:
            self._thread.spawn(self._course.heal_later(moment.armed, moment.fault.duration))

    async def _thaw(self, armed: Armed) -> None:
        async with self._alone:
            if armed in self._freezes:
                await self._go_on(armed)

    async def _go_on(self, armed: Armed) -> None:
        self._freezes.remove(armed)
        if not self._freezes:
            await self._thread.blocking(self._broker.thaw)
            await self._reachable(armed.fault)
            self._history.append(facts.BrokerStarted(at=now(), how="freeze"))
        self._course.healed(armed)

    def _come_of_age(self, fault: Fault) -> None:
        """Wait, bounded, until every queue is old enough to outlive the kill of its broker."""
        started = time.monotonic()
        young = ""
        while time.monotonic() - started < 2 * _OF_AGE:
            names = [state.name for state in self._broker.census(self._namespace)]
            age, name = min(((self._ages.of(name), name) for name in names), default=(_OF_AGE, ""))
            if age >= _OF_AGE:
                break
            young = young or f"`{name}` was {age:.1f} s old"
            time.sleep(_OF_AGE - age)  # a queue's age, not a wait for a fact
        if young:
            text = (
                f"{fault}: waited {time.monotonic() - started:.1f} s first: {young}, and a broker that is killed may "
                f"lose a queue younger than {_OF_AGE:g} s"
            )
            self._history.append(facts.Noted(at=now(), text=text))

    async def _reachable(self, fault: Fault) -> None:
        """Wait until the broker greets through every link that no other fault keeps down."""
        for link in self._links:
            if not self._cuts.refused[link.name] and not self._cuts.silent[link.name]:
                await link.wire.reachable(timeout=_BROKER_TIMEOUT, what=f"{fault}")

    def _come_to_rest(self) -> None:
        """Wait, bounded, until what was settled before the stop has come where it goes.

        A dead letter that is between two queues when the broker stops is lost by RabbitMQ where it dead-letters
        at most once: no consumer can help that, so the restart is not placed there. On its way it is in no
        queue, so the counts are to stay the same for a while.
        """
        last, since, deadline = None, time.monotonic(), time.monotonic() + _REST_TIMEOUT
        while time.monotonic() < deadline:
            found = self._broker.census(self._namespace)
            now_held = [(state.name, state.messages, state.exact) for state in found]
            if now_held != last or not all(state.exact and not state.transit for state in found):
                last, since = now_held, time.monotonic()
            elif time.monotonic() - since >= _REST:
                return
            time.sleep(0.01)  # between two questions: nothing tells when a queue is at rest

    def _await_leaders(self) -> None:
        """Wait until every queue answers for itself again.

        A quorum queue has no leader right after a start, and RabbitMQ drops what is dead-lettered to it then
        ("leader not known. Command is dropped", 3.10): a loss of our making, not of the consumer's.
        """
        deadline = time.monotonic() + _BROKER_TIMEOUT
        while True:
            waiting = [state.name for state in self._broker.census(self._namespace) if not state.exact]
            if not waiting:
                return
            if time.monotonic() > deadline:
                raise ChaosError(f"{', '.join(waiting)} did not answer {_BROKER_TIMEOUT:g} s after a restart")
            time.sleep(0.02)  # between two questions: nothing tells when a leader is elected

    async def _gone(self) -> None:
        """Wait until the stopped broker's connections have ended; end those that a strike still holds."""
        for relay in self._targets.connected():
            await self._cuts.upstream_gone(
                relay
            )  # the broker is down: whatever still looks open leads nowhere
            # One that had not come through to the broker is told as a listener's end tells its backlog.
            relay.close("broker", reset=relay.upstream is None)
