"""Toxiproxy as the network: one proxy a link, spoken to by toxiproxy-python.

The client has its endpoint class-wide, no time-outs, and takes a 5xx for success; this module mends all three, and
is the only one that imports it.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.link.embedded import EmbeddedRoute
from pytest_mqchaos.link.toxics import Toxic, toxics_of
from pytest_mqchaos.link.weather import Condition

__all__ = ["ToxiproxyNetwork", "ToxiproxyRoute", "ToxiproxyServer"]

_TIMEOUT = 5.0
_ASKED_EVERY = 1.0
_TRIES = 4
_ONE_AT_A_TIME = threading.Lock()
"""Held while the client's class-wide endpoint is one network's: a session may have several Toxiproxies."""


class ToxiproxyServer(Protocol):
    """A running Toxiproxy, as `servers` hands it out."""

    @property
    def kind(self) -> str:
        """How it came to be: `process` or `docker`."""

    @property
    def api(self) -> tuple[str, int]:
        """Where its HTTP API listens."""

    @property
    def upstream(self) -> str:
        """The broker as Toxiproxy sees it, `host:port`."""

    def listen_address(self) -> tuple[str, tuple[str, int]]:
        """Where a new proxy is to listen, and where our side connects to reach it."""

    def release(self, listen: str) -> None:
        """Take a listening address back."""

    def alive(self) -> bool:
        """Whether it still runs."""


class ToxiproxyRoute:
    """One proxy of Toxiproxy."""

    actor = "toxiproxy"

    def __init__(self, network: ToxiproxyNetwork, proxy: Any, listen: str, address: tuple[str, int]) -> None:
        self.address = address
        self._network = network
        self._proxy = proxy
        self._listen = listen

    def down(self) -> bool:
        """Disable the proxy: Toxiproxy closes its listener and every connection with a FIN."""
        self._switch("disable", self._proxy.disable)
        return True

    def up(self) -> None:
        """Enable the proxy."""
        self._switch("enable", self._proxy.enable)

    def _switch(self, how: str, call: Callable[[], Any]) -> None:
        """Enable or disable the proxy, and look whether it is: one that stays down would be the consumer's fault."""
        name = self._proxy.name
        self._network.ask(f"{how} the proxy {name}", call)
        enabled = self._network.ask(f"list the proxy {name}", partial(self._network.enabled, name))
        if enabled is not (how == "enable"):
            host, port = self._network.server.api
            there = {True: "as enabled", False: "as disabled", None: "no more"}[enabled]
            raise ChaosError(f"Toxiproxy at {host}:{port} said that it {how}d {name}, and lists it {there}")

    def bring(self, condition: Condition) -> bool:
        """Add the toxics of a condition, and look whether they are there; False for what no toxic does."""
        wanted = toxics_of(condition)
        for toxic in wanted:
            what = f"add the toxic {toxic.name} to {self._proxy.name}"
            self._network.ask(what, partial(self._proxy.add_toxic, **toxic.arguments))
        there = self._toxics() if wanted else {}
        for toxic in wanted:
            if there.get(toxic.name) != toxic:
                raise self._false(f"it has {toxic}", there)
        return bool(wanted)

    def lift(self, condition: Condition) -> None:
        """Remove the toxics of a condition, and look whether they are gone."""
        names = [toxic.name for toxic in toxics_of(condition)]
        for name in names:
            what = f"remove the toxic {name} from {self._proxy.name}"
            self._network.ask(what, partial(self._proxy.destroy_toxic, name))
        there = self._toxics() if names else {}
        if set(names) & set(there):
            raise self._false(f"it has removed {' and '.join(names)}", there)

    def _toxics(self) -> dict[str, Toxic]:
        found = self._network.ask(f"list the toxics of {self._proxy.name}", self._proxy.toxics)
        return {name: Toxic(name, each.type, each.stream, each.attributes) for name, each in found.items()}

    def _false(self, claim: str, there: dict[str, Toxic]) -> ChaosError:
        host, port = self._network.server.api
        listed = ", ".join(map(str, there.values())) or "none"
        return ChaosError(
            f"Toxiproxy at {host}:{port} said that {claim}, and lists {listed} on {self._proxy.name}"
        )

    def close(self) -> None:
        """Delete the proxy; one that is gone with its server is gone."""
        try:
            self._network.ask(f"delete the proxy {self._proxy.name}", self._proxy.destroy)
        except ChaosError:
            return
        self._network.server.release(self._listen)


class ToxiproxyNetwork:
    """Proxies on one Toxiproxy server.

    A server that has not answered once is lost for good: what is asked of it later fails at once, so that a hang
    costs a test one deadline and not one for each of its links.
    """

    actor = "toxiproxy"

    def __init__(self, server: ToxiproxyServer) -> None:
        # Not typed, so it is taken as a value of any type.
        api: Any = importlib.import_module("toxiproxy.api")
        server_module: Any = importlib.import_module("toxiproxy.server")

        self.server = server
        self._lost = ""
        self._answered = time.monotonic()
        self._api = api
        api.requests = _session()  # time-outs, no HTTP proxy of the environment, 5xx as errors
        self._client = server_module.Toxiproxy()

    def route(self, name: str, *, upstream: tuple[str, int] | None = None) -> ToxiproxyRoute | EmbeddedRoute:
        """Create the proxy `name` in front of the broker; a port that somebody else took costs another try.

        From within a container Toxiproxy reaches no other service on this host: the wire leads there.

        Raises:
            ChaosError: if Toxiproxy does not answer, or refuses.
        """
        if upstream is not None and self.server.kind != "process":
            return EmbeddedRoute(upstream)
        target = self.server.upstream if upstream is None else "{}:{}".format(*upstream)
        for left in reversed(range(_TRIES)):
            listen, address = self.server.listen_address()
            try:
                proxy = self.ask(
                    f"create the proxy {name}",
                    partial(self._client.create, target, name, listen),
                )
            except ChaosError as error:
                if "address already in use" not in str(error):
                    self.server.release(listen)
                elif left:
                    continue  # and is not given back: the next one to be handed out would be the same
                raise
            return ToxiproxyRoute(self, proxy, listen, address)
        raise AssertionError("unreachable: the last try returns or raises")

    def enabled(self, name: str) -> bool | None:
        """Return whether a proxy is enabled, None if there is none; to be called by `ask`."""
        found = self._client.get_proxy(name)
        return None if found is None else bool(found.enabled)

    def alive(self, *, asked: bool = False) -> bool:
        """Whether its process or container runs and its API answers; unless it is to be asked now, a second ago."""
        if not self._lost and not self.server.alive():
            self._lost = "it is not running any more"
        if not self._lost and (asked or time.monotonic() - self._answered > _ASKED_EVERY):
            with suppress(ChaosError):
                self.ask("say its version", partial(self._api.APIConsumer.get, "/version"))
        return not self._lost

    def ask(self, what: str, call: Callable[[], Any]) -> Any:
        """Call the API, one call at a time.

        Raises:
            ChaosError: naming what was asked and what went wrong.
        """
        host, port = self.server.api
        with _ONE_AT_A_TIME:
            if self._lost:
                raise ChaosError(f"Toxiproxy at {host}:{port} did not {what}: {self._lost}")
            self._client.update_api_consumer(host, port)
            try:
                answer = call()
            except Exception as error:
                why = self._why(error)
                raise ChaosError(f"Toxiproxy at {host}:{port} did not {what}: {why}") from None
            self._answered = time.monotonic()
            return answer

    def _why(self, error: Exception) -> str:
        response = getattr(error, "response", None)
        if response is not None:
            return f"it said {response.status_code} {' '.join(response.text.split())[:200]}"
        if not self.server.alive():
            self._lost = "it is not running any more"
        elif isinstance(error, OSError) and "timed out" in str(error).lower():
            self._lost = f"it gave no answer within {_TIMEOUT:g} s, and hangs"
        return self._lost or f"{type(error).__name__}: {error}"[:200]


def _session() -> Any:
    import requests

    class Session(requests.Session):
        def request(self, *arguments: Any, **options: Any) -> requests.Response:
            options.setdefault("timeout", _TIMEOUT)
            response = super().request(*arguments, **options)
            if response.status_code >= 500:
                response.raise_for_status()
            return response

    session = Session()
    session.trust_env = False
    return session
