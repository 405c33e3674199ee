"""Strikes of the network: connections are cut, links refuse."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.links import Link, Links
from pytest_mqchaos.experiment.striking.armed import Armed
from pytest_mqchaos.experiment.striking.course import Course
from pytest_mqchaos.experiment.striking.moment import Moment
from pytest_mqchaos.experiment.striking.targets import Targets
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.link.relay import Relay

__all__ = ["Cuts"]

_CUT_TIMEOUT = 5.0
_BROKER_TIMEOUT = 90.0


class Cuts:
    """Cuts links, and keeps account of those that are kept down."""

    def __init__(self, course: Course, targets: Targets, *, links: Links, thread: LoopThread) -> None:
        self.refused: Counter[str] = Counter()
        """Links that a fault keeps down, with how many do."""
        self.silent: Counter[str] = Counter()
        """Links through which a fault lets nobody be heard, with how many do."""
        self.serving = asyncio.Event()
        """Whether the broker is not being restarted by a fault."""
        self.serving.set()
        self._course = course
        self._targets = targets
        self._links = links
        self._thread = thread

    async def drop(self, moment: Moment) -> None:
        """End every connection of the links with a FIN."""
        links = self._targets.links(moment)
        await self._course.settle_x(moment)
        self._course.fired_on(moment, links, self._actor(links))
        await asyncio.gather(*(self.cut(link) for link in links))

    def _actor(self, links: Sequence[Link]) -> str:
        return links[0].route.actor if links else self._links.actor

    async def reset(self, moment: Moment) -> None:
        """End every connection of the links with an RST."""
        links = self._targets.links(moment)
        await self._course.settle_x(moment)
        self._course.fired_on(moment, links, "wire")
        await asyncio.gather(*(self.cut(link, reset=True) for link in links))

    async def refuse(self, moment: Moment) -> None:
        """End every connection of the links, and refuse new ones for a while."""
        links = self._targets.links(moment)
        await self._course.settle_x(moment)
        changed = self._targets.may_feel(links)
        self._course.fired(moment, [link.name for link in links], changed=changed, actor=self._actor(links))
        for link in links:
            link.wire.refuse()
            self.refused[link.name] += 1
        await asyncio.gather(*(self.cut(link, again=False) for link in links))
        self._course.lasts(moment.armed, lambda: self._welcome(moment.armed, links))
        self._thread.spawn(self._course.heal_later(moment.armed, moment.fault.duration or 0.0))

    async def _welcome(self, armed: Armed, links: Sequence[Link]) -> None:
        """Open links that were refused, as far as no other fault keeps them down."""
        try:
            async with asyncio.timeout(_BROKER_TIMEOUT):
                await self.serving.wait()
        except TimeoutError:
            raise ChaosError(f"healing {armed.fault}: the broker is not back") from None
        for link in links:
            self.refused[link.name] -= 1
            if not self.refused[link.name]:
                await self._thread.blocking(link.route.up)
                if not self.silent[link.name]:
                    await link.wire.reachable(timeout=_CUT_TIMEOUT, what=f"healing {armed.fault}")
            await link.wire.welcome()
        self._course.healed(armed)

    async def cut(self, link: Link, *, reset: bool = False, again: bool = True) -> None:
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
            if again and not self.refused[link.name]:
                await self._thread.blocking(link.route.up)
        finally:
            wire.let_new()

    async def _await_cut(self, link: Link, relays: Sequence[Relay]) -> None:
        """Wait until the route's cut has arrived at the wire, connection by connection."""
        for relay in relays:
            if not await self.upstream_gone(relay):
                raise ChaosError(
                    f"{self._links.actor} said that it cut {link.name}, but its connection was open "
                    f"{_CUT_TIMEOUT:g} s later"
                )

    async def upstream_gone(self, relay: Relay) -> bool:
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
