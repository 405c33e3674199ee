"""What one connection's consuming means for the run: subscriptions, deliveries, settlements.

It knows which message each open delivery tag stands for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from pytest_mqchaos.link.identity import Identity
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.events import LinkEvent
from pytest_mqchaos.model.history import now
from pytest_mqchaos.wire.amqp import events as wire

__all__ = ["Consuming", "Look"]

Look: TypeAlias = Callable[[str | None], bool | None]
"""Whether a message's effect is already there; None if nobody can look."""


class Consuming:
    """Translates what is consumed on one connection. Arguments as of `Observer`."""

    def __init__(self, link: str, connection: int, identity: Identity, look: Look) -> None:
        self.link = link
        self.connection = connection
        self._identity = identity
        self._look = look
        self._deliveries: dict[tuple[int, int], str | None] = {}
        self._streaming: dict[int, tuple[str | None, int]] = {}
        """The delivery on each channel whose body passes unread, until its last byte."""
        self._subscriptions: dict[tuple[int, str], str] = {}
        self.handlers: dict[type, Callable[..., list[LinkEvent]]] = {
            wire.Subscribed: self._subscribed,
            wire.Unsubscribed: self._unsubscribed,
            wire.CancelledByBroker: self._cancelled,
            wire.Delivered: self._delivered,
            wire.BodyPassed: self._body_passed,
            wire.GetRequested: self._get_requested,
            wire.Settled: self._settled,
            wire.RecoverRequested: self._recovered,
            wire.TxCommitRequested: self._commit_requested,
            wire.TxCommitted: self._committed,
            wire.TxRolledBack: self._rolled_back,
        }

    def _subscribed(self, event: wire.Subscribed) -> list[LinkEvent]:
        self._subscriptions[event.channel, event.consumer_tag] = event.queue
        return [
            facts.Subscribed(
                at=now(),
                link=self.link,
                connection=self.connection,
                channel=event.channel,
                consumer_tag=event.consumer_tag,
                queue=event.queue,
                auto_ack=event.auto_ack,
                prefetch=event.prefetch or event.global_prefetch,
                shared=not event.prefetch and event.global_prefetch > 0,
            )
        ]

    def _unsubscribed(self, event: wire.Unsubscribed) -> list[LinkEvent]:
        queue = self._subscriptions.pop((event.channel, event.consumer_tag), "")
        return [
            facts.Unsubscribed(
                at=now(),
                link=self.link,
                connection=self.connection,
                channel=event.channel,
                consumer_tag=event.consumer_tag,
                queue=queue,
            )
        ]

    def _cancelled(self, event: wire.CancelledByBroker) -> list[LinkEvent]:
        queue = self._subscriptions.pop((event.channel, event.consumer_tag), "")
        return [
            facts.ConsumerCancelled(
                at=now(),
                link=self.link,
                connection=self.connection,
                channel=event.channel,
                consumer_tag=event.consumer_tag,
                queue=queue,
            )
        ]

    def _delivered(self, event: wire.Delivered) -> list[LinkEvent]:
        properties = event.properties
        message, how = self._identity.of(properties, event.body, event.digest)
        twins, place = self._identity.twins, (self.connection, event.channel, event.delivery_tag)
        if message is not None:
            twins.delivered(self.link, message, event.digest)
        elif message := twins.came(self.link, event.digest, place, redelivered=event.redelivered):
            how = "digest"
            if event.auto_ack:
                twins.settled(place, requeue=False)
        if not event.auto_ack:
            self._deliveries[event.channel, event.delivery_tag] = message
        if event.digest is None:
            self._streaming[event.channel] = message, event.delivery_tag
        return [
            facts.Delivered(
                at=now(),
                link=self.link,
                connection=self.connection,
                channel=event.channel,
                message=message,
                tag=event.delivery_tag,
                queue=event.queue,
                consumer_tag=event.consumer_tag,
                redelivered=event.redelivered,
                get=event.get,
                auto_ack=event.auto_ack,
                exchange=event.exchange,
                routing_key=event.routing_key,
                digest=event.digest,
                identified_by=how,
                deaths=properties.deaths,
                delivery_count=properties.delivery_count,
                altered=self._identity.contracts.altered(message, properties),
            )
        ]

    def _body_passed(self, event: wire.BodyPassed) -> list[LinkEvent]:
        message, tag = self._streaming.pop(event.channel, (None, 0))
        if message is None:
            return []
        return [
            facts.Streamed(
                at=now(),
                link=self.link,
                connection=self.connection,
                channel=event.channel,
                message=message,
                tag=tag,
                digest=event.digest,
            )
        ]

    def _get_requested(self, event: wire.GetRequested) -> list[LinkEvent]:
        return [
            facts.Polled(
                at=now(),
                link=self.link,
                connection=self.connection,
                channel=event.channel,
                queue=event.queue,
                auto_ack=event.auto_ack,
            )
        ]

    def _settled(self, event: wire.Settled) -> list[LinkEvent]:
        if not event.deliveries:
            if event.multiple and event.delivery_tag == 0:
                return []  # "all that are open" may rightly be none
            return [
                facts.UnknownSettlement(
                    at=now(),
                    link=self.link,
                    connection=self.connection,
                    channel=event.channel,
                    tag=event.delivery_tag,
                    kind=event.kind,
                )
            ]
        found: list[LinkEvent] = []
        for tag in event.deliveries:
            place = (event.channel, tag)
            # A rollback opens the deliveries of a transaction again.
            forget = self._deliveries.get if event.transactional else self._deliveries.pop
            message = forget(place, None)
            self._identity.twins.settled(
                (self.connection, *place), requeue=event.kind != "ack" and event.requeue
            )
            found.append(self._settlement(event, tag, message))
        return found

    def _settlement(self, event: wire.Settled, tag: int, message: str | None) -> LinkEvent:
        seen = self._look(message)
        at, link, connection, channel = now(), self.link, self.connection, event.channel
        if event.kind == "ack":
            return facts.Acked(
                at=at,
                link=link,
                connection=connection,
                channel=channel,
                message=message,
                tag=tag,
                multiple=event.multiple,
                effect_seen=seen,
                transactional=event.transactional,
            )
        if event.kind == "nack":
            return facts.Nacked(
                at=at,
                link=link,
                connection=connection,
                channel=channel,
                message=message,
                tag=tag,
                requeue=event.requeue,
                multiple=event.multiple,
                effect_seen=seen,
                transactional=event.transactional,
            )
        return facts.Rejected(
            at=at,
            link=link,
            connection=connection,
            channel=channel,
            message=message,
            tag=tag,
            requeue=event.requeue,
            effect_seen=seen,
            transactional=event.transactional,
        )

    def _recovered(self, event: wire.RecoverRequested) -> list[LinkEvent]:
        return [facts.Recovered(at=now(), link=self.link, connection=self.connection, channel=event.channel)]

    def _commit_requested(self, event: wire.TxCommitRequested) -> list[LinkEvent]:
        return [facts.CommitSent(at=now(), link=self.link, connection=self.connection, channel=event.channel)]

    def _committed(self, event: wire.TxCommitted) -> list[LinkEvent]:
        return [facts.Committed(at=now(), link=self.link, connection=self.connection, channel=event.channel)]

    def _rolled_back(self, event: wire.TxRolledBack) -> list[LinkEvent]:
        return [facts.RolledBack(at=now(), link=self.link, connection=self.connection, channel=event.channel)]
