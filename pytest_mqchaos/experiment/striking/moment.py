"""The moment of one strike, and what becomes of X in it."""

from __future__ import annotations

from pytest_mqchaos.experiment.consumers.names import aimed
from pytest_mqchaos.experiment.striking.armed import Armed
from pytest_mqchaos.link.held import Held
from pytest_mqchaos.link.relay import Relay

__all__ = ["Moment"]


class Moment:
    """One strike: what strikes, at which frame, seen where."""

    def __init__(self, armed: Armed, held: Held | None, link: str | None, words: str) -> None:
        self.armed = armed
        self.fault = armed.fault
        self.held = held
        self.link = link
        self.words = words
        self.let_x_go = False
        """Whether X goes on under *before* (once the fault is in force) instead of dying."""

    @property
    def relay(self) -> Relay | None:
        """The connection that X was seen on, if X is held."""
        return None if self.held is None else self.held.relay

    @property
    def by_name(self) -> bool:
        """Whether X is of whom the fault's trigger names: `publish(3, by="billing")`."""
        trigger = self.fault.trigger
        return trigger is not None and trigger.by is not None

    @property
    def position(self) -> str:
        """`before` or `after` X; empty without one."""
        return self.armed.position

    async def settle_x(self) -> bool:
        """Pass X on and wait until it arrived (*after*), or let it die (*before*); return whether that is a fact."""
        if self.held is None:
            return True
        if self.position == "after":
            return await self.held.pass_on()
        if not self.let_x_go and self._struck():
            self.held.take()
        return True

    def _struck(self) -> bool:
        """Whether the connection X was seen on is among what is struck; elsewhere X goes on afterwards."""
        if self.fault.link is not None:
            return False
        wanted = self.fault.consumer
        if self.fault.family == "broker":
            return True
        assert self.held is not None
        observer = self.held.relay.observer
        link = observer.link
        if self.fault.family == "process" and observer.publisher and wanted in (None, "*"):
            return wanted is None and self.by_name
        return wanted is None or aimed(wanted, link)
