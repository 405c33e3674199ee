"""Who looks at every event of a connection before it is passed on, and may strike at it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pytest_mqchaos.model.events import LinkEvent

if TYPE_CHECKING:
    from pytest_mqchaos.link.held import Held
    from pytest_mqchaos.link.relay import Relay

__all__ = ["Strike", "Tap"]

Strike = Callable[["Held"], Coroutine[Any, Any, None]]


class Tap(Protocol):
    """Who is asked about every event before it is passed on."""

    def match(self, relay: Relay, found: Sequence[LinkEvent]) -> Strike | None:
        """Return what strikes at these facts, or None to let them pass."""

    def before_settlement(self, relay: Relay) -> Strike | None:
        """Look at the effects before a settlement goes on; return what strikes before it."""

    def look(self) -> None:
        """Look at the effects, and let nothing strike."""
