"""From what one connection says to what happened in the run: wire events in, events of the model out.

One observer a connection. It knows which message each open delivery tag and each awaited confirm stands for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from pytest_mqchaos.link.identity import Identity
from pytest_mqchaos.link.survey import Survey
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.events import LinkEvent
from pytest_mqchaos.model.history import now
from pytest_mqchaos.wire.amqp import events as wire

__all__ = ["Observer"]

Look: TypeAlias = Callable[[str | None], bool | None]
"""Whether a message's effect is already there; None if nobody can look."""


class Observer:
    """Translates the events of one connection.

    Args:
        link: the link's name.
        connection: the connection's number in the run.
        identity: tells whose message a body is.
        look: asked for each settlement, before it is passed on.
        publisher: whether this is the link of our own publisher.
        survey: told what is declared; with it, names that have the run's prefix become plain.
    """

    def __init__(
        self,
        link: str,
        connection: int,
        identity: Identity,
        look: Look,
        *,
        publisher: bool = False,
        survey: Survey | None = None,
    ) -> None:
        self.link = link
        self.connection = connection
        self.opened = False
        self.closing: wire.ConnectionClosing | None = None
        self._identity = identity
        self._look = look
        self._publisher = publisher
        self._survey = survey
        self._heartbeat = 0
        self._deliveries: dict[tuple[int, int], str | None] = {}
        self._publishes: dict[tuple[int, int], str] = {}
        self._subscriptions: dict[tuple[int, str], str] = {}
        self._handlers: dict[type, Callable[..., list[LinkEvent]]] = {
            wire.Tuned: self._tuned,
            wire.Opened: self._opened,
            wire.ConnectionClosing: self._connection_closing,
            wire.ChannelOpened: self._channel_opened,
            wire.ChannelClosing: self._channel_closing,
            wire.QueueDeclared: self._queue_declared,
            wire.QueueDeleted: self._queue_deleted,
            wire.QueuePurged: self._queue_purged,
            wire.Subscribed: self._subscribed,
            wire.Unsubscribed: self._unsubscribed,
            wire.CancelledByBroker: self._cancelled,
            wire.Delivered: self._delivered,
            wire.GetRequested: self._get_requested,
            wire.Settled: self._settled,
            wire.RecoverRequested: self._recovered,
            wire.TxCommitted: self._committed,
            wire.TxRolledBack: self._rolled_back,
            wire.PublishSent: self._publish_sent,
            wire.ConfirmReceived: self._confirm_received,
            wire.ReturnReceived: self._return_received,
        }

    def describe(self, event: wire.WireEvent) -> list[LinkEvent]:
        """Return what the event means for the run: mostly one fact, one a delivery under `multiple`, or none."""
        handler = self._handlers.get(type(event))
        if self._survey is None:
            return [] if handler is None else handler(event)
        self._survey.saw(self.link, event)
        return [] if handler is None else [self._survey.names.plainly(fact) for fact in handler(event)]

    # --- connection and channels ---

    def _tuned(self, event: wire.Tuned) -> list[LinkEvent]:
        self._heartbeat = event.heartbeat
        return []

    def _opened(self, event: wire.Opened) -> list[LinkEvent]:
        self.opened = True
        return [
            facts.LinkOpened(
                at=now(),
                link=self.link,
                connection=self.connection,
                vhost=event.vhost,
                heartbeat=self._heartbeat,
            )
        ]

    def _connection_closing(self, event: wire.ConnectionClosing) -> list[LinkEvent]:
        if self.closing is None:
            self.closing = event
        return []

    def _channel_opened(self, event: wire.ChannelOpened) -> list[LinkEvent]:
        return [
            facts.ChannelOpened(at=now(), link=self.link, connection=self.connection, channel=event.channel)
        ]

    def _channel_closing(self, event: wire.ChannelClosing) -> list[LinkEvent]:
        return [
            facts.ChannelClosed(
                at=now(),
                link=self.link,
                connection=self.connection,
                channel=event.channel,
                by="client" if event.by == "client" else "broker",
                code=event.code,
                text=event.text,
            )
        ]

    # --- queues and subscriptions ---

    def _queue_declared(self, event: wire.QueueDeclared) -> list[LinkEvent]:
        return [
            facts.QueueDeclared(
                at=now(),
                link=self.link,
                connection=self.connection,
                channel=event.channel,
                queue=event.queue,
                durable=event.durable,
                exclusive=event.exclusive,
                auto_delete=event.auto_delete,
                passive=event.passive,
            )
        ]

    def _queue_deleted(self, event: wire.QueueDeleted) -> list[LinkEvent]:
        return [
            facts.QueueDeleted(
                at=now(),
                link=self.link,
                connection=self.connection,
                channel=event.channel,
                queue=event.queue,
            )
        ]

    def _queue_purged(self, event: wire.QueuePurged) -> list[LinkEvent]:
        return [
            facts.QueuePurged(
                at=now(),
                link=self.link,
                connection=self.connection,
                channel=event.channel,
                queue=event.queue,
                count=event.count or 0,
            )
        ]

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

    # --- deliveries and settlements ---

    def _delivered(self, event: wire.Delivered) -> list[LinkEvent]:
        properties = event.properties
        message, how = self._identity.of(properties, event.body, event.digest)
        if not event.auto_ack:
            self._deliveries[event.channel, event.delivery_tag] = message
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

    def _committed(self, event: wire.TxCommitted) -> list[LinkEvent]:
        return [facts.Committed(at=now(), link=self.link, connection=self.connection, channel=event.channel)]

    def _rolled_back(self, event: wire.TxRolledBack) -> list[LinkEvent]:
        return [facts.RolledBack(at=now(), link=self.link, connection=self.connection, channel=event.channel)]

    # --- publications ---

    def _publish_sent(self, event: wire.PublishSent) -> list[LinkEvent]:
        message, _ = self._identity.of(event.properties, event.body, event.digest)
        if message is None:
            return []
        if not self._publisher:
            if self._survey is not None:
                self._survey.publishes(self.link, event.exchange, event.routing_key)
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
                )
            ]
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
