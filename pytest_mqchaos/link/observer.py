"""From what one connection says to what happened in the run: wire events in, events of the model out.

One observer a connection. What concerns the connection itself, its channels and queues stands here; what is consumed
and published on it in `consuming` and `publishing`.
"""

from __future__ import annotations

from collections.abc import Callable

from pytest_mqchaos.link.consuming import Consuming, Look
from pytest_mqchaos.link.identity import Identity
from pytest_mqchaos.link.publishing import Adopt, Publishing
from pytest_mqchaos.link.survey import Survey
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.events import LinkEvent
from pytest_mqchaos.model.history import now
from pytest_mqchaos.wire.amqp import events as wire

__all__ = ["Look", "Observer"]


class Observer:
    """Translates the events of one connection.

    Args:
        link: the link's name.
        connection: the connection's number in the run.
        identity: tells whose message a body is.
        look: asked for each settlement, before it is passed on.
        publisher: whether the workload is published here: by our own publisher, or a producer.
        adopt: asked which message it is that a producer publishes.
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
        adopt: Adopt | None = None,
        survey: Survey | None = None,
    ) -> None:
        self.link = link
        self.connection = connection
        self.publisher = publisher
        self.opened = False
        self.closing: wire.ConnectionClosing | None = None
        self._survey = survey
        self._twins = identity.twins
        self._surveyed_facts = (facts.Republished,) if adopt is None else (facts.Published,)
        self._heartbeat = 0
        self._handlers: dict[type, Callable[..., list[LinkEvent]]] = {
            wire.Tuned: self._tuned,
            wire.Opened: self._opened,
            wire.ConnectionClosing: self._connection_closing,
            wire.ChannelOpened: self._channel_opened,
            wire.ChannelClosing: self._channel_closing,
            wire.QueueDeclared: self._queue_declared,
            wire.QueueDeleted: self._queue_deleted,
            wire.QueuePurged: self._queue_purged,
            **Consuming(link, connection, identity, look).handlers,
            **Publishing(link, connection, identity, publisher=publisher, adopt=adopt).handlers,
        }

    @property
    def refusal(self) -> str:
        """With what the broker closed the connection before it was open; empty if it did not."""
        if self.opened or self.closing is None or self.closing.by == "client":
            return ""
        return f"{self.closing.code} {self.closing.text}"

    def ended(self) -> None:
        """The connection is no more."""
        self._twins.ended(self.connection)

    def describe(self, event: wire.WireEvent) -> list[LinkEvent]:
        """Return what the event means for the run: mostly one fact, one a delivery under `multiple`, or none."""
        handler = self._handlers.get(type(event))
        found = [] if handler is None else handler(event)
        return found if self._survey is None else self._surveyed(self._survey, event, found)

    def _surveyed(self, survey: Survey, event: wire.WireEvent, found: list[LinkEvent]) -> list[LinkEvent]:
        survey.saw(self.link, event)
        for fact in found:
            if isinstance(fact, self._surveyed_facts):
                survey.publishes(self.link, fact.exchange, fact.routing_key)
        return [survey.names.plainly(fact) for fact in found]

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
        self._twins.ended(self.connection, event.channel)
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

    # --- queues ---

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
