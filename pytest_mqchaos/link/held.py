"""The moment of a strike: one segment held back, and the connection that stands still for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mqchaos.model.events import Delivered, LinkEvent
from pytest_mqchaos.model.history import now
from pytest_mqchaos.wire.amqp import Segment

if TYPE_CHECKING:
    from pytest_mqchaos.link.pipe import Pipe
    from pytest_mqchaos.link.relay import Relay

__all__ = ["Held"]


class Held:
    """A segment at which a fault strikes, and the connection that stands still for it."""

    def __init__(self, relay: Relay, pipe: Pipe, segment: Segment, found: list[LinkEvent]) -> None:
        self.relay = relay
        self.pipe = pipe
        self.segment = segment
        self.found = found
        self.at = now()
        self._done = False
        self._arrived = False

    async def pass_on(self, *, timeout: float = 2.0) -> bool:
        """Pass X on and wait until it reached its receiver; return whether that is a fact within `timeout`.

        A link that is slow gets the seconds that it needs besides.
        """
        if self._done or self.relay.closed:
            return self._arrived
        self._done = True
        self.relay.record(self.found)
        self.pipe.write(self.segment.data)
        timeout += self.relay.weather.lag
        if self.pipe.side == "server":
            self._arrived = await self.relay.drained(timeout)
        else:
            channel = self.found[0].channel if self.found else 0
            self._arrived = await self.relay.barrier(channel, self.segment, timeout)
        return self._arrived

    def take(self) -> None:
        """Let X die here: it was sent and never passed on."""
        if not self._done:
            self._done = True
            self.relay.record(self.found, passed=False)

    def lose(self) -> str:
        """Let a delivery die as if it had reached the client, and acknowledge it in the client's stead.

        Returns:
            Why it cannot be done, and was not; empty if it was.
        """
        (delivery,) = [fact for fact in self.found if isinstance(fact, Delivered)]
        if self._done or self.relay.closed:
            return "its connection has ended"
        if delivery.digest is None:
            return "its body is so large that it passes unread"
        if why := self.relay.settle_for(delivery, self.found):
            return why
        self._done = True
        return ""

    def release(self) -> None:
        """Let the stream go on; an X that nothing took is passed on."""
        if not self._done:
            if self.relay.closed or self.relay.ways.swallowing:
                self.take()
            else:
                self._done = True
                self.relay.record(self.found)
                self.pipe.write(self.segment.data)
        self.relay.release()
