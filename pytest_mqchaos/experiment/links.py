"""The links of one run: an address for each consumer replica, each producer, and our publisher."""

from __future__ import annotations

import itertools
import random
import ssl
import threading
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.link.authority import Authority
from pytest_mqchaos.link.identity import Identity
from pytest_mqchaos.link.lookout import Lookout
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.link.network import Network, Route
from pytest_mqchaos.link.observer import Look
from pytest_mqchaos.link.publishing import Adopt
from pytest_mqchaos.link.survey import Survey
from pytest_mqchaos.link.tap import Tap
from pytest_mqchaos.link.weather import Weather
from pytest_mqchaos.link.wire import Wire
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import History, now

__all__ = ["Link", "Links"]


@dataclass(frozen=True, slots=True)
class Link:
    """One link: its wire, and its route to the broker."""

    name: str
    wire: Wire
    route: Route

    @property
    def publishes(self) -> bool:
        """Whether the workload comes from there, so that a fault strikes it only where it is meant."""
        return self.wire.publisher


class Links:
    """Opens links and keeps them until the end of the run."""

    def __init__(
        self,
        *,
        run: str,
        network: Network,
        thread: LoopThread,
        history: History,
        identity: Identity,
        look: Look,
        tap: Tap,
        survey: Survey | None = None,
        tls: tuple[ssl.SSLContext, str] | None = None,
        authority: Authority | None = None,
        seed: object = 0,
    ) -> None:
        self._seed = seed
        self._run = run
        self._survey = survey
        self._tls = tls
        self._authority = authority
        self._network = network
        self._thread = thread
        self._history = history
        self._identity = identity
        self._look = look
        self._tap = tap
        self._links: dict[str, Link] = {}
        self._services: dict[str, Link] = {}
        """Links to other services; who goes through the links meets those to the broker alone."""
        self._numbers = itertools.count(1)
        self._routes = itertools.count()
        self._lock = threading.Lock()
        self._refusals = 0
        """How many outages of the broker let every link refuse."""

    @property
    def actor(self) -> str:
        """Who breaks the network here."""
        return self._network.actor

    def open(self, name: str, *, tls: bool = False, port: int = 0, adopt: Adopt | None = None) -> Link:
        """Open the link `name`, or return the one that is open; with `tls` its clients speak TLS to it.

        Its port is `port`, or any that is free. With `adopt` a producer connects there: what it publishes is the
        workload.

        Raises:
            ChaosError: if the network gives no route.
            UsageError: if TLS is wanted, and what makes certificates is not installed.
        """
        client_tls = self._authority.context() if tls and self._authority is not None else None
        with self._lock:
            if name in self._links:
                return self._links[name]
            route = self._network.route(f"mqchaos-{self._run}-{next(self._routes)}")

            async def make() -> Link:
                wire = Wire(
                    name,
                    route=lambda: route.address,
                    thread=self._thread,
                    history=self._history,
                    identity=self._identity,
                    look=self._look,
                    tap=self._tap,
                    numbers=lambda: next(self._numbers),
                    publisher=name == "publisher" or adopt is not None,
                    adopt=adopt,
                    survey=self._survey,
                    tls=self._tls,
                    weather=Weather(random.Random(f"{self._seed} {name}")),
                    client_tls=client_tls,
                    port=port,
                )
                for _ in range(self._refusals):
                    wire.refuse()
                # Known before it listens: a refusal that comes in between is its own, too.
                link = Link(name, wire, route)
                self._links = {**self._links, name: link}
                try:
                    await wire.listen()
                except BaseException:
                    self._links = _without(self._links, name)
                    wire.close()
                    raise
                return link

            return self._made(make(), route, name)

    def open_service(self, name: str, upstream: tuple[str, int], *, port: int = 0) -> Link:
        """Open a link to another service on this host; its port is `port`, or any that is free.

        While nobody listens at `upstream` it refuses, as the service itself does.

        Raises:
            ChaosError: if the network gives no route.
        """
        route = self._network.route(f"mqchaos-{self._run}-{next(self._routes)}-service", upstream=upstream)

        async def make() -> Link:
            wire = Wire(
                name, route=lambda: route.address, thread=self._thread, history=self._history,
                identity=self._identity, look=self._look, tap=self._tap, numbers=lambda: next(self._numbers),
                weather=Weather(random.Random(f"{self._seed} {name}")), raw=True, port=port)  # fmt: skip
            link = Link(name, wire, route)
            self._services = {**self._services, name: link}
            try:
                await Lookout(wire, upstream, thread=self._thread, note=self._note).begin()
            except BaseException:
                self._services = _without(self._services, name)
                wire.close()
                raise
            return link

        return self._made(make(), route, name)

    def _made(self, making: Coroutine[Any, Any, Link], route: Route, name: str) -> Link:
        """The link that is made, or its error; then its route, of which there are not many, is given back."""
        with ExitStack() as failing:
            failing.callback(route.close)
            link = self._thread.call(making, timeout=10.0, what=f"opening the link {name}")
            failing.pop_all()
        return link

    def _note(self, text: str) -> None:
        self._history.append(facts.Noted(at=now(), text=text))

    def service(self, name: str) -> Link | None:
        """The link of that name to another service, if it is open."""
        return self._services.get(name)

    def services(self) -> list[str]:
        """The names of the links to other services."""
        return sorted(self._services)

    def named(self, name: str) -> Link | None:
        """The link of that name, if it is open."""
        return self._links.get(name)

    def refuse(self) -> None:
        """Let every link refuse new connections, also one that is opened meanwhile; on the links' thread.

        Each call wants a `welcome`.
        """
        self._refusals += 1
        for link in self:
            link.wire.refuse()

    async def welcome(self) -> None:
        """Let every link accept connections again, as far as nothing else keeps it down."""
        self._refusals -= 1
        for link in self:
            await link.wire.welcome()

    def check(self) -> None:
        """Raise if the network died behind our back.

        Raises:
            ChaosError: saying that it did.
        """
        if not self._network.alive():
            raise ChaosError(
                "Toxiproxy died or hung during the test: every link depends on it, nothing can be judged"
            )
        for link in (*self, *self._services.values()):
            error = link.wire.trouble
            if isinstance(error, ChaosError):
                raise error
            if error is not None:
                raise ChaosError(
                    f"the link {link.name} failed, nothing can be judged: {type(error).__name__}: {error}"
                ) from error

    def __iter__(self) -> Iterator[Link]:
        return iter(tuple(self._links.values()))

    def close(self) -> None:
        """End all connections and give the routes back."""
        links = [*self._links.values(), *self._services.values()]
        self._links, self._services = {}, {}

        async def end() -> None:
            for link in links:
                link.wire.close()

        try:
            self._thread.call(end(), timeout=10.0, what="closing the links")
        finally:
            for link in links:
                link.route.close()


def _without(links: dict[str, Link], name: str) -> dict[str, Link]:
    """A copy, as others may look through the links meanwhile."""
    return {other: link for other, link in links.items() if other != name}
