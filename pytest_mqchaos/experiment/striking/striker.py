"""Who strikes: what the injector asks of the strikes, and of nobody while there are none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from pytest_mqchaos.experiment.striking.armed import Armed
from pytest_mqchaos.link.held import Held
from pytest_mqchaos.link.relay import Relay
from pytest_mqchaos.link.tripwire import Halted

__all__ = ["Nobody", "Striker"]


class Striker(Protocol):
    """Strikes, and knows whom."""

    async def __call__(self, armed: Armed, held: Held | None, link: str | None, words: str) -> None:
        """Strike: the armed fault, the frame held, the link X was seen on, and X in words."""

    def stop_first(self, armed: Armed, link: str) -> None:
        """Called in the very moment that X is seen: stops the process that is to be struck."""

    def stand_still(self, armed: Armed, link: str | None) -> Callable[[], None]:
        """Called in that moment too: holds all that the fault aims at, and returns what lets it go on."""

    def relays_of(self, link: str | None) -> Sequence[Relay]:
        """The open connections of a link; of every consumer for None."""

    def client_of(self, link: str) -> Halted | None:
        """The processes behind a link."""


class Nobody:
    """Strikes nothing, and knows nobody."""

    async def __call__(self, armed: Armed, held: Held | None, link: str | None, words: str) -> None:
        """Strike nothing."""

    def stop_first(self, armed: Armed, link: str) -> None:
        """Stop nothing."""

    def stand_still(self, armed: Armed, link: str | None) -> Callable[[], None]:
        """Hold nothing."""
        return lambda: None

    def relays_of(self, link: str | None) -> Sequence[Relay]:
        """No connections."""
        return ()

    def client_of(self, link: str) -> Halted | None:
        """No processes."""
        return None
