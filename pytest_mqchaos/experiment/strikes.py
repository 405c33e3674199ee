"""What each fault does when its moment has come. All of it runs on the link's thread.

Every strike follows one order, so that its moment is exact:

1. the connection that X was seen on stands still (the relay did that), and with it, in the same moment, every
   connection that the fault aims at; new ones wait (`stand_still`);
2. a process that is to be struck is stopped first (SIGSTOP), so that it gets no further;
3. *after X*: X is passed on and has reached its receiver (the barrier, or an empty send queue);
   *before X*: X dies with the connection, or goes on once the fault is in force;
4. the fault strikes; 5. the stream goes on, if there is one.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Literal, Protocol

from pytest_mqchaos.brokers._protocol import Broker
from pytest_mqchaos.consumers.consumer import Replica
from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.ages import Ages
from pytest_mqchaos.experiment.injector import Armed, Swallow
from pytest_mqchaos.experiment.links import Link, Links
from pytest_mqchaos.experiment.names import aimed
from pytest_mqchaos.link.held import Held
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.link.relay import Relay
from pytest_mqchaos.link.tripwire import Halted
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.faults import Fault
from pytest_mqchaos.model.history import History, now

__all__ = ["Replicas", "Strikes"]

_STOP_TIMEOUT = 2.0
_CUT_TIMEOUT = 5.0
_BROKER_TIMEOUT = 90.0
_REST_TIMEOUT, _REST = 3.0, 0.2
_OF_AGE = 3.0
"""Seconds after which a queue outlives the kill of its broker."""


class Replicas(Protocol):
    """The consumers' processes, by their links' names."""

    def replicas(self) -> Sequence[Replica]:
        """All replicas of all consumers, in the order started."""


class Strikes:
    """The strikes of one run; an instance is the injector's strike function."""

    def __init__(
        self,
        *,
        history: History,
        thread: LoopThread,
        links: Links,
        consumers: Replicas,
        broker: Broker,
        namespace: str,
        ages: Ages,
    ) -> None:
        self._history = history
        self._thread = thread
        self._links = links
        self._consumers = consumers
        self._broker = broker
        self._namespace = namespace
        self._ages = ages
        self._refused: Counter[str] = Counter()
        """Links that a fault keeps down, with how many do."""
        self._serving = asyncio.Event()
        """Whether the broker is not being restarted by a fault."""
        self._serving.set()
        self._kinds: dict[str, Callable[[_Moment], Coroutine[Any, Any, None]]] = {
            "connection_drop": self._drop,
            "connection_reset": self._reset,
            "refuse": self._refuse,
            "consumer_crash": self._crash,
            "consumer_terminate": self._terminate,
            "broker_restart": self._broker_restart,
            "broker_crash": self._broker_crash,
            "broker_freeze": self._broker_freeze,
            "lost_ack": self._lost_ack,
        }

    async def __call__(self, armed: Armed, held: Held | None, link: str | None, words: str) -> None:
        """Let one armed fault strike."""
        await self._kinds[armed.fault.kind](_Moment(armed, held, link, words))

    def stop_first(self, armed: Armed, link: str) -> None:
        """Send SIGSTOP to the processes that are about to be struck, before anything else is done or waited for.

        A consumer works on while we decide; what it gets done in that time blurs the moment.
        """
        if armed.fault.family == "process":
            for replica in self._target_replicas(_Moment(armed, None, link, "")):
                if replica.process is not None and replica.alive:
                    with suppress(ChaosError):  # the strike itself will say so
                        replica.process.stop()

    def stand_still(self, armed: Armed, link: str | None) -> Callable[[], None]:
        """Let all that a fault aims at stand still while it strikes; return what lets it go on.

        A consumer may have several connections, and X is one moment for all of them: what is said on any behind X
        reaches nobody before the strike. Holds are counted, so strikes that overlap wait for each other's. A
        protocol fault strikes one connection only, which the relay holds.
        """
        if armed.fault.family == "protocol":
            return lambda: None
        links = self._aims(_Moment(armed, None, link, ""))
        relays = [relay for one in links for relay in one.wire.connected()]
        for relay in relays:
            relay.hold()
        for one in links:
            one.wire.hold_new()

        def go_on() -> None:
            for relay in relays:
                relay.release()
            for one in links:
                one.wire.let_new()

        return go_on

    def relays_of(self, link: str | None) -> list[Relay]:
        """The open connections of a link; of every consumer for None."""
        links = [one for one in self._links if one.name == link or (link is None and one.name != "publisher")]
        return [relay for one in links for relay in one.wire.connected()]

    def client_of(self, link: str) -> Halted | None:
        """The processes of a consumer's replica; None if there are none, or they stand already."""
        for replica in self._consumers.replicas():
            if replica.name == link and replica.alive and not replica.frozen:
                return replica.process
        return None

    # --- network -----------------------------------------------------------------------------------------

    async def _drop(self, moment: _Moment) -> None:
        links = self._target_links(moment)
        await self._settle_x(moment)
        self._fired_on(moment, links, self._links.actor)
        await asyncio.gather(*(self._cut(link) for link in links))

    async def _reset(self, moment: _Moment) -> None:
        links = self._target_links(moment)
        await self._settle_x(moment)
        self._fired_on(moment, links, "wire")
        await asyncio.gather(*(self._cut(link, reset=True) for link in links))

    async def _refuse(self, moment: _Moment) -> None:
        links = self._target_links(moment)
        await self._settle_x(moment)
        self._fired(moment, [link.name for link in links], changed=bool(links), actor=self._links.actor)
        for link in links:
            link.wire.refuse()
            self._refused[link.name] += 1
        await asyncio.gather(*(self._cut(link, again=False) for link in links))
        self._lasts(moment.armed, lambda: self._welcome(moment.armed, links))
        self._thread.spawn(self._heal_later(moment.armed, moment.fault.duration or 0.0))

    async def _welcome(self, armed: Armed, links: Sequence[Link]) -> None:
        """Open links that were refused, as far as no other fault keeps them down."""
        try:
            async with asyncio.timeout(_BROKER_TIMEOUT):
                await self._serving.wait()
        except TimeoutError:
            raise ChaosError(f"healing {armed.fault}: the broker is not back") from None
        for link in links:
            self._refused[link.name] -= 1
            if not self._refused[link.name]:
                await self._thread.blocking(link.route.up)
                await link.wire.reachable(timeout=_CUT_TIMEOUT, what=f"healing {armed.fault}")
            await link.wire.welcome()
        self._healed(armed)

    async def _cut(self, link: Link, *, reset: bool = False, again: bool = True) -> None:
        """End every connection of a link on both sides."""
        wire = link.wire
        relays = wire.connected()
        for relay in relays:
            relay.cause = "fault"
        wire.hold_new()
        try:
            if reset:
                for relay in relays:
                    relay.close("fault", reset=True)
            by_route = await self._thread.blocking(link.route.down)
            if by_route and not reset:
                await self._await_cut(link, relays)
            for relay in relays:
                relay.close("fault", reset=reset)
            if again and not self._refused[link.name]:
                await self._thread.blocking(link.route.up)
        finally:
            wire.let_new()

    async def _await_cut(self, link: Link, relays: Sequence[Relay]) -> None:
        """Wait until the route's cut has arrived at the wire, connection by connection."""
        for relay in relays:
            if not await self._upstream_gone(relay):
                raise ChaosError(
                    f"{self._links.actor} said that it cut {link.name}, but its connection was open "
                    f"{_CUT_TIMEOUT:g} s later"
                )

    async def _upstream_gone(self, relay: Relay) -> bool:
        """Wait until the broker's side of a connection has ended; return whether it did in time.

        Nobody reads a socket whose client takes no more, so its end does not show: what was cut there is cut.
        """
        deadline = time.monotonic() + _CUT_TIMEOUT
        while not relay.upstream_gone.is_set():
            upstream = relay.upstream
            if upstream is None or upstream.is_closing() or not upstream.is_reading():
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            with suppress(TimeoutError):
                await asyncio.wait_for(relay.upstream_gone.wait(), min(left, 0.05))
        return True

    # --- processes ---------------------------------------------------------------------------------------

    async def _crash(self, moment: _Moment) -> None:
        replicas = self._target_replicas(moment)
        process = str(moment.fault.option("process"))
        await self._stop(replicas)
        moment.let_x_go = process == "child"
        await self._settle_x(moment)
        names = [replica.name for replica in replicas]
        if process != "child":
            self._fired(moment, names, changed=any(one.alive for one in replicas), actor="signal")
        if process == "group":
            # The group stands and will not run again. Its connections end first, so that nothing is counted as
            # delivered to the process that is started in its place.
            for relay in [relay for replica in replicas for relay in self._relays_of(replica)]:
                relay.cause = "fault"
                relay.close("fault")
        relays = [relay for replica in replicas for relay in self._relays_of(replica)]
        hit = [await self._thread.blocking(self._kill, replica, process) for replica in replicas]
        if not moment.let_x_go or moment.position == "after":
            # The rest of the group may go on; what the dead one said behind X dies with it.
            for relay in relays:
                if relay.client_left or (process == "main" and relay is moment.relay):
                    relay.cause = "fault"
                    relay.close("fault")
        if process == "child":
            self._fired(moment, names, changed=any(hit), actor="signal")
            await self._continue(replicas)

    def _kill(self, replica: Replica, process: str) -> bool:
        return replica.crash(process=process)

    async def _terminate(self, moment: _Moment) -> None:
        replicas = self._target_replicas(moment)
        grace = float(str(moment.fault.option("grace")))
        await self._stop(replicas)
        moment.let_x_go = True
        await self._settle_x(moment)
        names = [replica.name for replica in replicas]
        self._fired(moment, names, changed=any(one.alive for one in replicas), actor="signal")
        for replica in replicas:
            replica.begin_end(signal.SIGTERM)
        armed = moment.armed

        async def wait() -> None:
            try:
                spent = await self._thread.blocking(self._finish_end, replicas, grace)
                self._history.append(
                    facts.Noted(at=now(), text=f"{armed.fault}: ended {spent:.3f} s after SIGTERM")
                )
            except ChaosError as error:
                armed.error = error
            finally:
                self._healed(armed)

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

    def _relays_of(self, replica: Replica) -> list[Relay]:
        link = self._links.named(replica.name)
        return [] if link is None else link.wire.connected()

    # --- broker ------------------------------------------------------------------------------------------

    async def _broker_restart(self, moment: _Moment) -> None:
        await self._outage(moment, "restart", self._broker.stop_app, self._broker.start_app)

    async def _broker_crash(self, moment: _Moment) -> None:
        # By hand too the moment is the one asked for: the stream does not flow on while queues come of age.
        go_on = self.stand_still(moment.armed, moment.link)
        try:
            await self._thread.blocking(self._come_of_age, moment.fault)
            await self._outage(moment, "crash", self._broker.crash, self._broker.start_again)
        finally:
            go_on()

    async def _outage(
        self,
        moment: _Moment,
        how: Literal["restart", "crash"],
        down: Callable[[], None],
        up: Callable[[], None],
    ) -> None:
        """Take the broker down and bring it back, at its address; meanwhile every link refuses."""
        await self._settle_x(moment)
        self._fired(moment, ["broker"], changed=True, actor="broker")
        self._links.refuse()
        self._serving.clear()
        standing = self._connected()
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
            self._serving.set()
            for relay in standing:
                relay.release()
            await self._links.welcome()
        self._healed(moment.armed)

    async def _broker_freeze(self, moment: _Moment) -> None:
        moment.let_x_go = True
        await self._settle_x(moment)
        self._fired(moment, ["broker"], changed=True, actor="broker")
        self._history.append(facts.BrokerStopped(at=now(), how="freeze"))
        await self._thread.blocking(self._broker.freeze)
        self._lasts(moment.armed, lambda: self._thaw(moment.armed))
        if moment.fault.duration is not None:
            self._thread.spawn(self._heal_later(moment.armed, moment.fault.duration))

    async def _thaw(self, armed: Armed) -> None:
        await self._thread.blocking(self._broker.thaw)
        await self._reachable(armed.fault)
        self._history.append(facts.BrokerStarted(at=now(), how="freeze"))
        self._healed(armed)

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

    def _connected(self) -> list[Relay]:
        return [relay for link in self._links for relay in link.wire.connected()]

    async def _reachable(self, fault: Fault) -> None:
        """Wait until the broker greets through every link that no other fault keeps down."""
        for link in self._links:
            if not self._refused[link.name]:
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
        for relay in self._connected():
            await self._upstream_gone(relay)  # the broker is down: whatever still looks open leads nowhere
            # One that had not come through to the broker is told as a listener's end tells its backlog.
            relay.close("broker", reset=relay.upstream is None)

    # --- protocol ----------------------------------------------------------------------------------------

    async def _lost_ack(self, moment: _Moment) -> None:
        armed, held = moment.armed, moment.held
        swallowing = armed.swallow is not None
        own_frame = armed.trigger is not None and armed.trigger.kind == "ack" and armed.position == "before"
        if (
            armed.trigger is not None
            and armed.trigger.kind == "effect"
            and held is not None
            and not swallowing
        ):
            # What is held is the first settlement behind the effect.
            acked = [fact.message for fact in held.found if isinstance(fact, facts.Acked)]
            own_frame = bool(acked)
            armed.message = acked[0] if acked else armed.message
        if not swallowing and not own_frame:
            if held is not None and armed.position == "after":
                await self._settle_x(moment)
            armed.swallow = self._whose_ack(moment)
            return
        assert held is not None, "an ack that is to be lost was seen on a connection"
        held.take()
        relay = held.relay
        self._fired(moment, [relay.observer.link], changed=True, actor="wire")
        relay.cause = "fault"
        relay.close("fault", reset=True)

    def _whose_ack(self, moment: _Moment) -> Swallow:
        """The connection X was on, or the consumer where X is nobody's or another one is named."""
        link, wanted = moment.link, moment.fault.consumer
        if link is None or link == "publisher" or not aimed(wanted, link):
            return Swallow(consumer=wanted or "*")
        return Swallow(link=link, connection=moment.armed.connection)

    # --- targets and records -----------------------------------------------------------------------------

    def _fired_on(self, moment: _Moment, links: Sequence[Link], actor: str) -> None:
        """Record a strike on connections, before it is felt: it changes something if there is one."""
        felt = any(link.wire.connected() for link in links)
        self._fired(moment, [link.name for link in links], changed=felt, actor=actor)

    def _aims(self, moment: _Moment) -> list[Link]:
        """The links of all that a fault strikes."""
        if moment.fault.family == "broker":
            return list(self._links)
        if moment.fault.family == "process":
            names = {replica.name for replica in self._target_replicas(moment)}
            return [link for link in self._links if link.name in names]
        return self._target_links(moment)

    def _target_links(self, moment: _Moment) -> list[Link]:
        wanted = moment.fault.consumer
        if wanted is None and moment.link is not None:
            found = [link for link in self._links if link.name == moment.link]
            if found:
                return found
        return [link for link in self._links if link.name != "publisher" and aimed(wanted, link.name)]

    def _target_replicas(self, moment: _Moment) -> list[Replica]:
        wanted, everyone = moment.fault.consumer, list(self._consumers.replicas())
        if wanted is None and moment.link is not None:
            found = [replica for replica in everyone if replica.name == moment.link]
            if found:
                return found
        return [replica for replica in everyone if aimed(wanted, replica.name)]

    async def _settle_x(self, moment: _Moment) -> None:
        """Let X arrive, or die, as the moment says; one that may not have arrived is told."""
        if not await moment.settle_x():
            text = f"{moment.fault}: {moment.words} was passed on, and had not surely arrived when it struck"
            self._history.append(facts.Noted(at=now(), text=text))

    def _fired(self, moment: _Moment, targets: Sequence[str], *, changed: bool, actor: str) -> None:
        armed = moment.armed
        armed.fired = True
        held = moment.held
        self._history.append(
            facts.FaultFired(
                at=now(),
                fault=armed.number,
                description=str(armed.fault),
                target=", ".join(targets),
                changed=changed and bool(targets),
                actor=actor,
                trigger=moment.words,
                message=None if held is None else armed.message,
                delay=0.0 if held is None else (now() - held.at) / 1e9,
            )
        )

    def _healed(self, armed: Armed) -> None:
        if not armed.healed.is_set():
            self._history.append(facts.FaultHealed(at=now(), fault=armed.number))
            armed.healed.set()

    def _lasts(self, armed: Armed, end: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Let a fault last until it is healed, by `end`."""
        under_way: list[asyncio.Task[None]] = []

        async def heal() -> None:
            # By hand and by its duration, at the same time: it is done once, and nobody's haste cuts it short.
            if not under_way:
                under_way.append(self._thread.spawn(end()))
            await asyncio.shield(under_way[0])

        armed.heal = heal

    async def _heal_later(self, armed: Armed, duration: float) -> None:
        await asyncio.sleep(duration)  # the fault's own duration, not a wait for a fact
        try:
            if armed.heal is not None:
                await armed.heal()
        except ChaosError as error:
            armed.error = error
            armed.healed.set()


class _Moment:
    """One strike: what strikes, at which frame, seen where."""

    def __init__(self, armed: Armed, held: Held | None, link: str | None, words: str) -> None:
        self.armed = armed
        self.fault = armed.fault
        self.held = held
        self.link = link
        self.words = words
        self.let_x_go = False
        """Whether X goes on under *before* (once the fault is in force) instead of dying."""

    @property
    def relay(self) -> Relay | None:
        """The connection that X was seen on, if X is held."""
        return None if self.held is None else self.held.relay

    @property
    def position(self) -> Literal["before", "after", ""] | str:
        return self.armed.position

    async def settle_x(self) -> bool:
        """Pass X on and wait until it arrived (*after*), or let it die (*before*); return whether that is a fact."""
        if self.held is None:
            return True
        if self.position == "after":
            return await self.held.pass_on()
        if not self.let_x_go and self._struck():
            self.held.take()
        return True

    def _struck(self) -> bool:
        """Whether the connection X was seen on is among what is struck; elsewhere X goes on afterwards."""
        wanted = self.fault.consumer
        if self.fault.family == "broker":
            return True
        assert self.held is not None
        link = self.held.relay.observer.link
        if self.fault.family == "process" and link == "publisher":
            return False
        return wanted is None or aimed(wanted, link)
