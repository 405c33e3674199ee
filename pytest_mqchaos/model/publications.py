"""Publications and their answers: what the broker took responsibility for."""

from __future__ import annotations

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.copies import Publication, Record
from pytest_mqchaos.model.handlers import Handlers
from pytest_mqchaos.model.table import Table

__all__ = ["Publications"]


class Publications:
    """The part of the ledger that follows what was sent, by the workload and by the application."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._open: dict[int, dict[str, int]] = {}
        self.outstanding = 0
        """Publications whose answer may still come."""
        self.count = 0
        """Publications of the workload that were passed on."""
        self.routes: set[tuple[str, str]] = set()
        """Exchanges and routing keys that the workload published to."""
        self.onward: set[tuple[str, str]] = set()
        """Those that the application published messages of ours to."""
        self.expirations: dict[tuple[str, str], float] = {}
        """The longest `expiration` in seconds of what was published there, by the workload or the application."""

    @property
    def handlers(self) -> Handlers:
        """The events that it takes in."""
        return {
            e.Published: self.on_published,
            e.Confirmed: self.on_confirmed,
            e.PublishNacked: self.on_nacked,
            e.Returned: self.on_returned,
            e.PublishFailed: self.on_failed,
            e.Claimed: self.on_claimed,
            e.Republished: self.on_republished,
            e.LinkLost: self.on_link_lost,
        }

    def on_published(self, event: e.Published, index: int) -> None:
        """The workload sent a message."""
        record = self._table.record(event.message)
        if record is None:
            return
        record.add(
            Publication(index, event.at, event.link, event.exchange, event.routing_key, event.passed,
                        expiration=event.expiration, digest=event.digest), own=True,
        )  # fmt: skip
        if not event.passed:
            return
        self.count += 1
        self.routes.add((event.exchange, event.routing_key))
        self._expires(event)
        if record.message.confirm:
            record.outstanding += 1
            self.outstanding += 1
            waiting = self._open.setdefault(event.connection, {})
            waiting[event.message] = waiting.get(event.message, 0) + 1

    def _answered(self, event: e.Confirmed | e.PublishNacked) -> Record | None:
        waiting = self._open.get(event.connection, {})
        record = self._table.record(event.message)
        if record is not None and waiting.get(event.message, 0):
            waiting[event.message] -= 1
            if not waiting[event.message]:
                del waiting[event.message]
            record.outstanding -= 1
            self.outstanding -= 1
        return record

    def on_confirmed(self, event: e.Confirmed, index: int) -> None:
        """The broker has it, whether or not its publisher heard so."""
        record = self._answered(event)
        if record is None:
            return
        record.confirmed += 1
        if record.confirmed_index is None:
            record.confirmed_index, record.confirmed_at = index, event.at
        self._table.confirmed += 1
        self._table.expect_delivery(record)
        self._table.touch(record)

    def on_nacked(self, event: e.PublishNacked, index: int) -> None:
        """The broker refused it; of several queues one may have taken it all the same."""
        record = self._answered(event)
        if record is not None:
            record.nacked = True

    def on_returned(self, event: e.Returned, index: int) -> None:
        """No queue took it."""
        record = self._table.record(event.message)
        if record is not None:
            record.returned += 1
            self._table.touch(record)

    def on_failed(self, event: e.PublishFailed, index: int) -> None:
        """It was never written."""
        record = self._table.record(event.message)
        if record is not None:
            record.failed = True

    def on_claimed(self, event: e.Claimed, index: int) -> None:
        """Its producer said that it was sent."""
        record = self._table.record(event.message)
        if record is not None:
            record.claimed = True

    def on_link_lost(self, event: e.LinkLost, index: int) -> None:
        """What was not answered on this connection never will be: it is indeterminate."""
        for message, count in self._open.pop(event.connection, {}).items():
            record = self._table.record(message)
            if record is not None:
                record.outstanding -= count
            self.outstanding -= count

    def on_republished(self, event: e.Republished, index: int) -> None:
        """The application published a copy."""
        record = self._table.record(event.message)
        if record is None:
            return
        record.add(
            Publication(index, event.at, event.link, event.exchange, event.routing_key, event.passed,
                        event.deaths, event.expiration, event.digest, event.altered, event.persistent), own=False,
        )  # fmt: skip
        self.onward.add((event.exchange, event.routing_key))
        self._expires(event)

    def _expires(self, event: e.Published | e.Republished) -> None:
        if event.expiration is not None:
            route = (event.exchange, event.routing_key)
            self.expirations[route] = max(self.expirations.get(route, 0.0), _seconds(event.expiration))


def _seconds(expiration: str) -> float:
    """An AMQP expiration is a text of milliseconds."""
    return float(expiration) / 1000 if expiration.isdigit() else 0.0
