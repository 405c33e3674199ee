"""Strikes of the network that leave connections open: stalled, swallowed, late, slow, in pieces.

Nothing passes a link that is stalled or a black hole from the very frame on that the strike is at: the wire sees to
that, whatever is on its way between it and Toxiproxy. What the route says that it does is looked at: it lists its
toxics, and a broker that greets through a route that is silent or slow proves it wrong.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.links import Link, Links
from pytest_mqchaos.experiment.striking.armed import Armed
from pytest_mqchaos.experiment.striking.course import Course
from pytest_mqchaos.experiment.striking.cuts import Cuts
from pytest_mqchaos.experiment.striking.moment import Moment
from pytest_mqchaos.experiment.striking.targets import Targets
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.link.relay import Relay
from pytest_mqchaos.link.weather import Condition
from pytest_mqchaos.model.faults import Fault

__all__ = ["Disturbances"]

_T = TypeVar("_T")
_HEAL_TIMEOUT = 5.0
_DIRECT_TIMEOUT = 1.0
_QUIET = 0.3
"""Seconds for which a silent link is asked for a greeting that must not come."""


class Disturbances:
    """Brings conditions upon links and lifts them; `direct` is the broker's own address."""

    def __init__(
        self,
        course: Course,
        targets: Targets,
        cuts: Cuts,
        *,
        links: Links,
        thread: LoopThread,
        direct: tuple[str, int],
    ) -> None:
        self._course = course
        self._targets = targets
        self._cuts = cuts
        self._links = links
        self._thread = thread
        self._direct = direct
        self._numbers = itertools.count(1)
        self._weathered: dict[int, list[tuple[Link, Condition]]] = {}
        """By armed fault: the links upon which it has brought which condition."""
        self._waits: dict[int, list[tuple[Link, int]]] = {}
        """By armed fault: the links of services that nobody used at its strike, and how many clients had come."""
        self._watches: set[asyncio.Task[Any]] = set()

    async def stall(self, moment: Moment) -> None:
        """Let nothing pass the links for a while, and then all of it."""
        links, condition = self._targets.links(moment), self._condition(moment.fault)
        moment.let_x_go = True
        await self._course.settle_x(moment)
        by_route = await self._bring(links, condition)
        self._fired(moment, links, by_route)
        stalled = [relay for link in links for relay in link.wire.connected()]
        for relay in stalled:
            relay.ways.stall()
        for link in links:
            link.wire.hold_new()
            self._cuts.silent[link.name] += 1
        if by_route:
            self._watch(moment.armed, links, condition)
        self._last(moment, lambda: self._flow(moment.armed, links, condition, stalled))

    async def _flow(
        self, armed: Armed, links: Sequence[Link], condition: Condition, stalled: Sequence[Relay]
    ) -> None:
        await self._watch_no_more()
        try:
            # First the wire: what it holds back would hold up what Toxiproxy is to let go.
            for relay in stalled:
                relay.ways.flow()
            for link in links:
                link.wire.let_new()
                await self._ask(link, link.route.lift, condition)
        finally:
            self._cuts.silent.subtract(link.name for link in links)
        await self._answering(armed.fault, links)
        self._healed(armed)

    async def black_hole(self, moment: Moment) -> None:
        """Let all that is said on the links be gone for a while, and reset their connections then."""
        links, condition = self._targets.links(moment), self._condition(moment.fault)
        await self._course.settle_x(moment)
        by_route = await self._bring(links, condition)
        self._fired(moment, links, by_route)
        for link in links:
            link.wire.swallow()
            link.wire.hold_new()
            self._cuts.silent[link.name] += 1
        if by_route:
            self._watch(moment.armed, links, condition)
        self._last(moment, lambda: self._give_back(moment.armed, links, condition))

    async def _give_back(self, armed: Armed, links: Sequence[Link], condition: Condition) -> None:
        await self._watch_no_more()
        try:
            for link in links:
                if link.wire.give_back():  # else another one is in force: the last one resets
                    await self._cuts.cut(link, reset=True)
                await self._ask(link, link.route.lift, condition)
        finally:
            self._cuts.silent.subtract(link.name for link in links)
            for link in links:
                link.wire.let_new()
        await self._answering(armed.fault, links)
        self._healed(armed)

    async def weather(self, moment: Moment) -> None:
        """Make the links late, slow or cut up what they carry: until the run has settled, or for a while."""
        armed = moment.armed
        had = self._weathered.setdefault(armed.number, [])
        links = [link for link in self._targets.links(moment) if all(link is not one for one, _ in had)]
        moment.let_x_go = True
        await self._course.settle_x(moment)
        condition = self._condition(moment.fault)
        by_route = await self._bring(links, condition)
        late = moment.fault.lasting and (armed.trigger is None or self._targets.may_feel(links))
        self._fired(moment, links, by_route, always=late)
        for link in links:
            link.wire.weather.bring(condition, by_route=by_route)
            self._weathered[armed.number].append((link, condition))
        if by_route:
            self._watch(armed, links, condition)
        # What lasts ends at once on all links, also on those that were opened later.
        ending = None if armed.fault.lasting else condition
        self._last(moment, lambda: self._clear(armed, ending))

    async def _clear(self, armed: Armed, condition: Condition | None) -> None:
        """Lift a condition of a fault, or (None) all of them."""
        await self._watch_no_more()
        had = self._weathered[armed.number]
        over = [each for each in had if condition is None or each[1] is condition]
        self._weathered[armed.number] = [each for each in had if each not in over]
        for link, each in over:
            link.wire.weather.lift(each.number)
            await self._ask(link, link.route.lift, each)
        if not self._weathered[armed.number]:
            self._healed(armed)

    def _condition(self, fault: Fault) -> Condition:
        options = {name: float(str(value)) for name, value in fault.options}
        return Condition(
            number=next(self._numbers),
            kind=fault.kind,  # type: ignore[arg-type]
            delay=options.get("delay", 0.0),
            jitter=options.get("jitter", 0.0),
            rate=options.get("bytes_per_second", 0.0),
            size=int(options.get("size", 0)),
        )

    async def _bring(self, links: Sequence[Link], condition: Condition) -> bool:
        """Let the routes bring a condition about; return whether they do."""
        await self._watch_no_more()
        done = [await self._ask(link, link.route.bring, condition) for link in links]
        return bool(done) and all(done)

    async def _ask(self, link: Link, call: Callable[[Condition], _T], condition: Condition) -> _T:
        """Ask a route for something, and read meanwhile whatever it sends.

        Toxiproxy waits until what it has in hand is taken before a toxic comes or goes (2.12), and a client that
        does not read must not hold it up.
        """
        relays = link.wire.connected()
        for relay in relays:
            relay.ways.gulp()
        try:
            return await self._thread.blocking(call, condition)
        finally:
            for relay in relays:
                relay.ways.sip()

    def _fired(self, moment: Moment, links: Sequence[Link], by_route: bool, *, always: bool = False) -> None:
        """Record the strike; what is there from the start is felt by those who come later too.

        Whether anybody comes to another service while it lasts is known when it is over.
        """
        actor = links[0].route.actor if by_route else "wire"
        others = [link for link in links if link.wire.raw and not link.wire.connected()]
        if others and len(others) == len(links):
            self._waits[moment.armed.number] = [(link, link.wire.clients) for link in others]
        changed = always or bool(others) or self._targets.felt_by(links)
        self._course.fired(moment, [link.name for link in links], changed=changed, actor=actor)

    def _healed(self, armed: Armed) -> None:
        waited = self._waits.pop(armed.number, [])
        idle = bool(waited) and all(link.wire.clients == had for link, had in waited)
        self._course.healed(armed, idle=idle)

    def _last(self, moment: Moment, end: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._course.lasts(moment.armed, end)
        if moment.fault.duration is not None:
            self._thread.spawn(self._course.heal_later(moment.armed, moment.fault.duration))

    # --- whether what was said is so ---

    def _watch(self, armed: Armed, links: Sequence[Link], condition: Condition) -> None:
        """Look whether a greeting comes through routes that should be silent, or late: then the strike was none."""
        task = self._thread.spawn(self._look(armed, links, condition))
        self._watches.add(task)
        task.add_done_callback(self._watches.discard)

    async def _watch_no_more(self) -> None:
        """End all watches: whenever a toxic comes or goes, Toxiproxy lets out what the others hold (2.12)."""
        for task in tuple(self._watches):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _look(self, armed: Armed, links: Sequence[Link], condition: Condition) -> None:
        silent = condition.kind in ("stall", "black_hole")
        # A question and its answer are late twice; the rest is what a clock may be wrong by.
        patience = min(_QUIET, (armed.fault.duration or 0.0) / 2) if silent else 1.8 * condition.delay
        for link in links:
            if patience <= 0 or link.wire.raw:  # nobody knows how another service greets
                return
            with suppress(OSError, TimeoutError):
                if await link.wire.greets(patience):
                    armed.error = ChaosError(
                        f"{armed.fault}: {self._links.actor} said that it was in force on {link.name}, and the "
                        f"broker greeted through it within {patience:.3g} s"
                    )
                    return

    async def _answering(self, fault: Fault, links: Sequence[Link]) -> None:
        """Make sure that the broker greets through routes that were silent, if it greets at all."""
        if not links or any(link.wire.raw for link in links):
            return
        try:
            if not await links[0].wire.greets(_DIRECT_TIMEOUT, at=self._direct):
                return
        except (OSError, TimeoutError):
            return  # it is down, or stands still: another fault's doing
        for link in links:
            if not self._cuts.refused[link.name] and not self._cuts.silent[link.name]:
                await link.wire.reachable(timeout=_HEAL_TIMEOUT, what=f"healing {fault}")
