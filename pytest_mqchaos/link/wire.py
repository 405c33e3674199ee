"""A link: an address of its own for one consumer (or our publisher), and all connections that come in on it.

The address never changes. Connections are relayed to a route (Toxiproxy's proxy, or the broker itself). While the
broker is about to be down the link looks refused: the listener is closed, the port kept by a bound socket that
does not listen, until the route answers again.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable
from typing import Any

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.link.ending import LINGER
from pytest_mqchaos.link.greeting import accepts, greeted
from pytest_mqchaos.link.identity import Identity
from pytest_mqchaos.link.listener import Listener, listen
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.link.observer import Look, Observer
from pytest_mqchaos.link.ports import listening, reserved
from pytest_mqchaos.link.publishing import Adopt
from pytest_mqchaos.link.relay import Relay
from pytest_mqchaos.link.sides import BrokerSide, ClientSide
from pytest_mqchaos.link.survey import Survey
from pytest_mqchaos.link.tap import Tap
from pytest_mqchaos.link.weather import Weather
from pytest_mqchaos.model.history import History
from pytest_mqchaos.wire.amqp import Scaler

__all__ = ["Wire"]


class Wire:
    """One link's listener and its connections. Its methods run on the link's thread.

    Args:
        name: the link's name in the history.
        route: where connections are relayed to, asked anew for each.
        numbers: gives each connection its number in the run.
        publisher: whether the workload comes from here: from our own publisher, or from a producer.
        adopt: asked which message it is that a producer publishes.
        survey: told what is declared.
        tls: how the broker is spoken to if not in plain text: the context, and the name that its certificate has.
        weather: of this link; fair by default.
        client_tls: how clients speak to it if not in plain text.
        raw: whether it leads to another service, of whose bytes nothing is read.
        port: where it listens; any that is free by default.
    """

    def __init__(
        self,
        name: str,
        *,
        route: Callable[[], tuple[str, int]],
        thread: LoopThread,
        history: History,
        identity: Identity,
        look: Look,
        tap: Tap,
        numbers: Callable[[], int],
        publisher: bool = False,
        adopt: Adopt | None = None,
        survey: Survey | None = None,
        tls: tuple[ssl.SSLContext, str] | None = None,
        weather: Weather | None = None,
        client_tls: ssl.SSLContext | None = None,
        raw: bool = False,
        port: int = 0,
    ) -> None:
        self.name = name
        self.weather = weather or Weather()
        self.relays: set[Relay] = set()
        self._ending: set[Relay] = set()
        """Connections whose peers have not answered our FIN yet."""
        self.host = "127.0.0.1"
        self._route = route
        self._thread = thread
        self._history = history
        self._identity = identity
        self._look = look
        self._tap = tap
        self._numbers = numbers
        self.publisher = publisher
        self._adopt = adopt
        self._survey = survey
        self._tls: dict[str, Any] = {}
        if tls is not None:
            self._tls = {"ssl": tls[0], "server_hostname": tls[1], "ssl_shutdown_timeout": LINGER}
        self._client_tls = client_tls
        self.raw = raw
        self.ttl_scale = 1.0
        """By which factor the delays are scaled that clients say here: of queues, and of messages."""
        self.scalings: Counter[tuple[str, str, int, int]] = Counter()
        """What was scaled, how often: queue (empty for a message), name, both values."""
        self.clients = 0
        """How many clients have connected so far."""
        self._listener: Listener | None = None
        self._open = asyncio.Event()
        self._open.set()
        self._holders = 0
        self._holes = 0
        self._refusals = 0
        self._closed = False
        self.upstream_error = ""
        self.client_error = ""
        """Why the last client that was not understood was not."""
        self._refusal = ""
        self.on_silence: Callable[[], object] = lambda: None
        """Called when a connection has ended before anything was heard from the other end."""
        self.trouble: Exception | None = None
        """What went wrong in the wire itself: then nothing that was seen on it is to be trusted."""
        # The port is ours from now on: this socket is bound and never listens.
        self._reserve = reserved(port)
        self.port: int = self._reserve.getsockname()[1]

    async def listen(self) -> None:
        """Accept connections (again); a wire that is closed, or refuses, stays as it is."""
        if self._listener is None and not self._shut:
            self._listener = listen(listening(self.port), lambda: ClientSide(self.accept))

    @property
    def closed(self) -> bool:
        """Whether it was closed for good."""
        return self._closed

    @property
    def _shut(self) -> bool:
        return self._closed or self._refusals > 0

    def refuse(self) -> None:
        """Refuse new connections from now on; those that are open stay. Each call wants a `welcome`."""
        self._refusals += 1
        self._stop_listening()

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def welcome(self) -> None:
        """Accept connections again once every `refuse` has had its `welcome`."""
        self._refusals = max(0, self._refusals - 1)
        if self._refusals == 0:
            await self.listen()

    def hold_new(self) -> None:
        """Let new connections wait instead of reaching a route that is being cut. Each call wants a `let_new`."""
        self._holders += 1
        self._open.clear()

    def let_new(self) -> None:
        """Let the connections that wait go on, once nobody holds them any more."""
        self._holders = max(0, self._holders - 1)
        if not self._holders:
            self._open.set()

    def swallow(self) -> None:
        """Let all that is said be gone, on connections to come too: they hang. Each call wants a `give_back`."""
        self._holes += 1
        for relay in self.connected():
            relay.ways.swallow()

    def give_back(self) -> bool:
        """Swallow no more; return whether nobody else wants it. What was swallowed stays so: close those."""
        self._holes = max(0, self._holes - 1)
        return not self._holes

    def connected(self) -> list[Relay]:
        """The connections that are open."""
        # A copy, made in one step: other threads ask too, while the link's takes connections in and out.
        return [relay for relay in tuple(self.relays) if not relay.closed]

    @property
    def refusal(self) -> str:
        """With what the broker closed the last connection that it closed before it was open; empty if it did not."""
        # Whose client has heard it may have ended before we know that the connection did.
        return next(
            (one.observer.refusal for one in tuple(self.relays) if one.observer.refusal), self._refusal
        )

    @property
    def upstream(self) -> tuple[str, int]:
        """Where connections are relayed to now."""
        return self._route()

    async def reachable(self, *, timeout: float, what: str) -> None:
        """Wait until the broker greets through the route (`connection.start`).

        Raises:
            ChaosError: if it does not within `timeout` seconds, and what a slow link takes besides.
        """
        loop = self._thread.loop
        timeout += self.weather.lag
        deadline = loop.time() + timeout
        last = "no answer"
        while loop.time() < deadline:
            try:
                if await self._answers():
                    return
                last = "closed without a greeting"
            except (OSError, TimeoutError) as error:
                last = str(error) or "no greeting within 2 s"
            await asyncio.sleep(0.01)  # between two bounded tries: refusal answers at once
        raise ChaosError(f"{what}: the broker did not greet within {timeout:g} s ({last})")

    async def greets(self, timeout: float, *, at: tuple[str, int] | None = None) -> bool:
        """Ask for the broker's greeting as it is spoken to here, through the route or at another address.

        As `greeting.greeted`.
        """
        return await greeted(at or self._route(), timeout, **self._tls)

    async def _answers(self) -> bool:
        if self.raw:  # nobody knows how it greets
            return await accepts(self._route(), 2.0)
        return await self.greets(2.0 + self.weather.lag)

    def close(self) -> None:
        """End the listener and every connection, for good; give the port back."""
        self._closed = True
        self._stop_listening()
        for relay in list(self.relays):
            relay.close("fault", reset=False)
        for relay in self._ending:
            relay.abandon()
        self._reserve.close()

    def accept(self, client: asyncio.Transport) -> Relay:
        """Make the relay of a new client connection."""
        number = self._numbers()
        observer = Observer(
            self.name, number, self._identity, self._look, publisher=self.publisher, adopt=self._adopt,
            survey=self._survey)  # fmt: skip
        relay = Relay(
            number=number,
            observer=observer,
            history=self._history,
            tap=self._tap,
            on_closed=self._ended,
            on_trouble=self._troubled,
            loop=self._thread.loop,
            weather=self.weather,
            tls=self._client_tls,
        )
        relay.client = client
        if self.ttl_scale != 1.0:
            relay.scaler = Scaler(self.ttl_scale, self._scaled)
        self.clients += 1
        if self.raw:
            relay.scanner.flush()
        self.relays.add(relay)
        if self._holes:
            relay.ways.swallow()
        if self._shut:  # it came in when the listener closed
            relay.close("broker", reset=True)
        else:
            self._thread.spawn(self._connect(relay))
        return relay

    def _scaled(self, queue: str, name: str, old: int, new: int) -> None:
        # a message may have any number: only how many there were is kept
        self.scalings[(queue, name, old, new) if queue else ("", name, 0, 0)] += 1

    def _ended(self, relay: Relay) -> None:
        self.client_error = relay.not_amqp or self.client_error
        self._refusal = relay.observer.refusal or self._refusal
        self.relays.discard(relay)
        if not relay.from_server.fed and (relay.from_server.ended or relay.upstream is None):
            self.on_silence()
        self._ending.add(relay)
        self._thread.loop.call_later(2 * LINGER, self._ending.discard, relay)

    def _troubled(self, error: Exception) -> None:
        if self.trouble is None:
            self.trouble = error

    async def _connect(self, relay: Relay) -> None:
        await self._open.wait()
        if relay.closed:  # meanwhile
            return
        try:
            async with asyncio.timeout(10.0):
                await self._thread.loop.create_connection(
                    lambda: BrokerSide(relay), *self._route(), **self._tls
                )
        except (OSError, TimeoutError) as error:
            self.upstream_error = str(error) or type(error).__name__
            relay.close("broker", reset=True)
