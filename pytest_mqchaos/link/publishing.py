"""What one connection's publishing means for the run: publications, confirms, returns.

It knows which message each awaited confirm stands for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from pytest_mqchaos.link.identity import Identity
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.events import LinkEvent
from pytest_mqchaos.model.history import now
from pytest_mqchaos.wire.amqp import events as wire

__all__ = ["Adopt", "Publishing"]

Adopt: TypeAlias = Callable[[wire.PublishSent], str]
"""Says which message of the workload a producer has just sent; a new one is made known first."""


class Publishing:
    """Translates what is published on one connection. Arguments as of `Observer`."""

    def __init__(
        self, link: str, connection: int, identity: Identity, *, publisher: bool, adopt: Adopt | None = None
    ) -> None:
        self.link = link
        self.connection = connection
        self._identity = identity
        self._publisher = publisher
        self._adopt = adopt
        self._publishes: dict[tuple[int, int], str | None] = {}
        """What each awaited confirm stands for, by channel and number; None is a consumer's own message."""
        self.handlers: dict[type, Callable[..., list[LinkEvent]]] = {
            wire.PublishSent: self._publish_sent,
            wire.ConfirmReceived: self._confirm_received,
            wire.ReturnReceived: self._return_received,
        }

    def _publish_sent(self, event: wire.PublishSent) -> list[LinkEvent]:
        if self._adopt is None:
            message, _ = self._identity.of(event.properties, event.body, event.digest)
            if message is None and not self._publisher:
                message = self._identity.twins.handed_on(self.link, event.digest)
        else:
            message = self._adopt(event)
        if event.number is not None:
            self._publishes[event.channel, event.number] = message
        if message is None:
            return [
                facts.Emitted(
                    at=now(),
                    link=self.link,
                    connection=self.connection,
                    channel=event.channel,
                    exchange=event.exchange,
                    routing_key=event.routing_key,
                )
            ]
        if not self._publisher:
            return [
                facts.Republished(
                    at=now(),
                    link=self.link,
                    connection=self.connection,
                    channel=event.channel,
                    message=message,
                    exchange=event.exchange,
                    routing_key=event.routing_key,
                    deaths=event.properties.deaths,
                    expiration=event.properties.expiration,
                    digest=event.digest,
                    altered=self._identity.contracts.altered(message, event.properties),
                    persistent=event.properties.delivery_mode == 2,
                )
            ]
        self._identity.contracts.learn(message, event.properties)
        return [
            facts.Published(
                at=now(),
                link=self.link,
                connection=self.connection,
                channel=event.channel,
                message=message,
                exchange=event.exchange,
                routing_key=event.routing_key,
                expiration=event.properties.expiration,
                digest=None if self._adopt is None else event.digest,
            )
        ]

    def _confirm_received(self, event: wire.ConfirmReceived) -> list[LinkEvent]:
        found: list[LinkEvent] = []
        for number in event.numbers:
            place = event.channel, number
            if place in self._publishes:
                found += self._answered(event, self._publishes.pop(place))
        return found

    def _answered(self, event: wire.ConfirmReceived, message: str | None) -> list[LinkEvent]:
        at, link, connection, channel = now(), self.link, self.connection, event.channel
        if not self._publisher:
            own = facts.OwnConfirmed(
                at=at, link=link, connection=connection, channel=channel, message=message
            )
            return [] if event.nack else [own]
        if message is None:
            return []
        kind = facts.PublishNacked if event.nack else facts.Confirmed
        return [kind(at=at, link=link, connection=connection, channel=channel, message=message)]

    def _return_received(self, event: wire.ReturnReceived) -> list[LinkEvent]:
        message, _ = self._identity.of(event.properties, event.body, event.digest)
        if message is None or not self._publisher:
            return []
        return [
            facts.Returned(
                at=now(),
                link=self.link,
                connection=self.connection,
                channel=event.channel,
                message=message,
                code=event.code,
                text=event.text,
            )
        ]
