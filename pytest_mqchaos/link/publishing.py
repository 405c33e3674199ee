"""What one connection's publishing means for the run: publications, confirms, returns.

It knows which message each awaited confirm stands for.
"""

from __future__ import annotations

from collections.abc import Callable

from pytest_mqchaos.link.identity import Identity
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.events import LinkEvent
from pytest_mqchaos.model.history import now
from pytest_mqchaos.wire.amqp import events as wire

__all__ = ["Publishing"]


class Publishing:
    """Translates what is published on one connection. Arguments as of `Observer`."""

    def __init__(self, link: str, connection: int, identity: Identity, *, publisher: bool) -> None:
        self.link = link
        self.connection = connection
        self._identity = identity
        self._publisher = publisher
        self._publishes: dict[tuple[int, int], str] = {}
        self.handlers: dict[type, Callable[..., list[LinkEvent]]] = {
            wire.PublishSent: self._publish_sent,
            wire.ConfirmReceived: self._confirm_received,
            wire.ReturnReceived: self._return_received,
        }

    def _publish_sent(self, event: wire.PublishSent) -> list[LinkEvent]:
        message, _ = self._identity.of(event.properties, event.body, event.digest)
        if message is None:
            return []
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
                )
            ]
        self._identity.contracts.learn(message, event.properties)
        if event.number is not None:
            self._publishes[event.channel, event.number] = message
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
            )
        ]

    def _confirm_received(self, event: wire.ConfirmReceived) -> list[LinkEvent]:
        kind = facts.PublishNacked if event.nack else facts.Confirmed
        found: list[LinkEvent] = []
        for number in event.numbers:
            message = self._publishes.pop((event.channel, number), None)
            if message is not None:
                found.append(
                    kind(
                        at=now(),
                        link=self.link,
                        connection=self.connection,
                        channel=event.channel,
                        message=message,
                    )
                )
        return found

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
