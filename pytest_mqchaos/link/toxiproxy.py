"""Toxiproxy as the network: one proxy a link, spoken to by toxiproxy-python.

The client has its endpoint class-wide, no time-outs, and takes a 5xx for success; this module mends all three, and
is the only one that imports it.
"""

from __future__ import annotations

import importlib
import threading
from typing import Any, Protocol

from pytest_mqchaos.errors import ChaosError

__all__ = ["ToxiproxyNetwork", "ToxiproxyRoute", "ToxiproxyServer"]

_TIMEOUT = 5.0


class ToxiproxyServer(Protocol):
    """A running Toxiproxy, as `servers` hands it out."""

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

    def __init__(self, network: ToxiproxyNetwork, proxy: Any, listen: str, address: tuple[str, int]) -> None:
        self.address = address
        self._network = network
        self._proxy = proxy
        self._listen = listen

    def down(self) -> bool:
        """Disable the proxy: Toxiproxy closes its listener and every connection with a FIN."""
        self._network.ask(f"disable {self._proxy.name}", self._proxy.disable)
        return True

    def up(self) -> None:
        """Enable the proxy."""
        self._network.ask(f"enable {self._proxy.name}", self._proxy.enable)

    def close(self) -> None:
        """Delete the proxy; one that is gone with its server is gone."""
        try:
            self._network.ask(f"delete {self._proxy.name}", self._proxy.destroy)
        except ChaosError:
            return
        self._network.server.release(self._listen)


class ToxiproxyNetwork:
    """Proxies on one Toxiproxy server."""

    actor = "toxiproxy"

    def __init__(self, server: ToxiproxyServer) -> None:
        # Not typed, so it is taken as a value of any type.
        api: Any = importlib.import_module("toxiproxy.api")
        server_module: Any = importlib.import_module("toxiproxy.server")

        self.server = server
        self._lock = threading.Lock()
        api.requests = _session()  # time-outs, no HTTP proxy of the environment, 5xx as errors
        self._client = server_module.Toxiproxy()
        self._client.update_api_consumer(*server.api)

    def route(self, name: str) -> ToxiproxyRoute:
        """Create the proxy `name` in front of the broker.

        Raises:
            ChaosError: if Toxiproxy does not answer, or refuses.
        """
        listen, address = self.server.listen_address()
        proxy = self.ask(
            f"create {name}",
            lambda: self._client.create(upstream=self.server.upstream, name=name, listen=listen),
        )
        return ToxiproxyRoute(self, proxy, listen, address)

    def alive(self) -> bool:
        """Whether the server's process or container runs."""
        return self.server.alive()

    def ask(self, what: str, call: Any) -> Any:
        """Call the API, one call at a time.

        Raises:
            ChaosError: naming what was asked and what went wrong.
        """
        try:
            with self._lock:
                return call()
        except Exception as error:
            host, port = self.server.api
            state = "" if self.server.alive() else " (it is not running any more)"
            raise ChaosError(
                f"Toxiproxy at {host}:{port} did not {what}{state}: {type(error).__name__}"
            ) from None


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
