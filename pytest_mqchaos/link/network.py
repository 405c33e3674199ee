"""Networks: what lies between a wire and the broker, and who breaks it."""

from __future__ import annotations

from typing import Protocol

from pytest_mqchaos.link.weather import Condition

__all__ = ["Network", "Route"]


class Route(Protocol):
    """The way of one link to the broker. Its methods block, and are bounded."""

    @property
    def actor(self) -> str:
        """Who breaks this one: `toxiproxy` or `wire`."""

    @property
    def address(self) -> tuple[str, int]:
        """Where the wire connects to; it does not change."""

    def down(self) -> bool:
        """Cut every connection with a FIN and take no new ones.

        Returns whether the route did that by itself; if not, the wire is to close its sockets.

        Raises:
            ChaosError: if whoever is to do it does not answer.
        """

    def up(self) -> None:
        """Take connections again.

        Raises:
            ChaosError: if whoever is to do it does not answer.
        """

    def bring(self, condition: Condition) -> bool:
        """Bring a condition upon every connection, also those to come.

        Returns whether the route does that by itself; if not, the wire is to do it.

        Raises:
            ChaosError: if whoever is to do it does not answer, or has not done it.
        """

    def lift(self, condition: Condition) -> None:
        """Let a condition end that `bring` brought.

        Raises:
            ChaosError: if whoever is to do it does not answer, or has not done it.
        """

    def close(self) -> None:
        """Give the route up; never raises."""


class Network(Protocol):
    """Makes routes."""

    @property
    def actor(self) -> str:
        """Who breaks the network: `toxiproxy` or `wire`."""

    def route(self, name: str, *, upstream: tuple[str, int] | None = None) -> Route:
        """Return a new way to the broker, or to another service on this host."""

    def alive(self, *, asked: bool = False) -> bool:
        """Whether it works still, as far as was seen lately; or as it says when it is asked now."""
