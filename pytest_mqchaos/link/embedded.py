"""The network without Toxiproxy: the wire connects to the broker itself and does the network's faults itself."""

from __future__ import annotations

from pytest_mqchaos.link.weather import Condition

__all__ = ["EmbeddedNetwork", "EmbeddedRoute"]


class EmbeddedRoute:
    """The way straight to the broker; cutting it is left to the wire."""

    actor = "wire"

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address

    def down(self) -> bool:
        """Leave it to the wire."""
        return False

    def up(self) -> None:
        """Nothing stands in the way."""

    def bring(self, condition: Condition) -> bool:
        """Leave it to the wire."""
        return False

    def lift(self, condition: Condition) -> None:
        """There is nothing to end."""

    def close(self) -> None:
        """Nothing to give up."""


class EmbeddedNetwork:
    """Routes straight to the broker at `host:port`."""

    actor = "wire"

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)

    def route(self, name: str, *, upstream: tuple[str, int] | None = None) -> EmbeddedRoute:
        """Return the way to the broker, or to another service; `name` is not needed."""
        del name
        return EmbeddedRoute(upstream or self._address)

    def alive(self, *, asked: bool = False) -> bool:
        """There is nothing that could die."""
        return True
