"""Connections, channels and what is open on them: who holds which copy, and when it is the broker's again."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.absence import Absence
from pytest_mqchaos.model.channels import Channel, Subscription
from pytest_mqchaos.model.copies import Conflict, Delivery, Settlement
from pytest_mqchaos.model.handlers import Handlers
from pytest_mqchaos.model.table import Table

__all__ = ["Connections"]

_EXACT_BARRIER = 32
"""With as many settlements in the air, a barrier proves nothing on a quorum queue (measured)."""


class Connections:
    """The part of the ledger that follows links, channels, deliveries and settlements."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._channels: dict[int, dict[int, Channel]] = {}
        self._lost: dict[int, str] = {}
        """By whom connections were ended."""
        self.links: dict[int, str] = {}
        """Open connections and whose they are."""
        self.in_hand = 0
        """Deliveries of the workload on open channels that are not settled."""
        self.deliveries = 0
        self.auto_acks = 0
        self.queues_read: dict[str, set[str]] = {}
        """Queues that were subscribed or polled, and by which links."""
        self.queue_types: dict[str, str] = {}
        self.incarnations: dict[str, int] = {}
        self.absence = Absence()
        self._unread: dict[tuple[int, int], Delivery] = {}
        """Deliveries whose bodies are still passing, by connection and channel."""

    @property
    def handlers(self) -> Handlers:
        """The events that it takes in; a delivery is handed to it."""
        return {
            e.Streamed: self.on_streamed,
            **dict.fromkeys((e.Acked, e.Nacked, e.Rejected), self.on_settled),
            e.Processed: self.on_processed,
            e.CommitSent: self.on_commit_sent,
            e.Committed: self.on_committed,
            e.RolledBack: self.on_rolled_back,
            e.Recovered: self.on_recovered,
            e.Subscribed: self.on_subscribed,
            e.Unsubscribed: self.on_unsubscribed,
            e.ConsumerCancelled: self.on_cancelled,
            e.Polled: self.on_polled,
            e.ChannelOpened: self.on_channel_opened,
            e.ChannelClosed: self.on_channel_closed,
            e.LinkOpened: self.on_link_opened,
            e.LinkLost: self.on_link_lost,
            e.ConsumerStarted: self.on_started,
            e.ConsumerEnded: self.on_ended,
        }

    def open(self) -> Iterator[Delivery]:
        """Every delivery of the workload that is not settled, on a channel that is open."""
        for channels in self._channels.values():
            for channel in channels.values():
                for one in channel.open.values():
                    if one.copy is not None:
                        yield one

    def subscriptions(self) -> Iterator[Subscription]:
        """Every open subscription."""
        for channels in self._channels.values():
            for channel in channels.values():
                yield from channel.subscriptions.values()

    def open_channels(self) -> dict[tuple[int, int], str]:
        """Open channels of consumers by connection and number, and whose they are."""
        return {
            (connection, number): self.links[connection]
            for connection, channels in self._channels.items()
            for number, channel in channels.items()
            if not channel.closed and self.links.get(connection, "publisher") != "publisher"
        }

    def _channel(self, event: e.LinkEvent) -> Channel:
        channels = self._channels.setdefault(event.connection, {})
        channel = channels.get(event.channel)
        if channel is None:
            channel = channels[event.channel] = Channel()
        return channel

    # --- deliveries and settlements ---

    def on_delivered(self, event: e.Delivered, index: int) -> None:
        """A copy was handed out; with automatic ack it is settled at once."""
        copy, clash = self._table.delivered(event, index)
        one = Delivery(
            copy=copy, queue=event.queue, link=event.link, connection=event.connection, channel=event.channel,
            tag=event.tag, consumer_tag=event.consumer_tag, index=index, at=event.at, auto_ack=event.auto_ack,
            redelivered=event.redelivered, get=event.get, passed=event.passed,
            incarnation=self.incarnations.get(event.link, 0), digest=event.digest, identified_by=event.identified_by,
            altered=event.altered,
        )  # fmt: skip
        if copy is not None:
            self.deliveries += 1
            if clash and (last := copy.last) is not None:
                copy.conflicts.append(Conflict(last, one, copy.state))
            copy.deliveries.append(one)
            if event.digest is None:
                self._unread[event.connection, event.channel] = one
        else:
            self._table.at(event.queue).strangers += 1
        if event.auto_ack:
            self.auto_acks += copy is not None
            one.settlement, one.settled_index, one.settled_at = "auto", index, event.at
            one.settled_passed = one.processed = True
            if copy is not None:
                self._table.move(copy, "settled", index, event.at)
                self._table.touch(copy.record)
            return
        channel = self._channel(event)
        channel.open[event.tag] = one
        if copy is None:
            self._foreign(event.queue, 1, event.at)
        else:
            self.in_hand += 1
            self._table.move(copy, "in_hand", index, event.at)
        if event.connection in self._lost:  # a frame that was held when its connection was cut
            self._return_open(channel, "link_lost", index, event.at, by=self._lost[event.connection])
            del self._channels[event.connection]
        elif channel.closed:
            self._return_open(channel, "channel_closed", index, event.at)

    def on_streamed(self, event: e.Streamed, index: int) -> None:
        """A large body has passed whole: what it was is known now."""
        one = self._unread.pop((event.connection, event.channel), None)
        if one is not None and one.tag == event.tag:
            one.digest = event.digest

    def on_settled(self, event: e.Acked | e.Nacked | e.Rejected, index: int) -> None:
        """A consumer settled one delivery. One that was kept from the broker changes nothing there."""
        channel = self._channel(event)
        one = channel.open.get(event.tag) or channel.void.get(event.tag)
        if one is None or one.settled_passed:
            return
        how: Settlement = (
            "acked" if isinstance(event, e.Acked) else "requeued" if event.requeue else "dropped"
        )
        one.settlement, one.settled_index, one.settled_at = how, index, event.at
        one.effect_seen, one.transactional = event.effect_seen, event.transactional
        if not event.passed or one.returned:
            return
        if event.transactional:
            channel.uncommitted.append(one)
        else:
            self._pass(channel, one, index, event.at)

    def _pass(self, channel: Channel, one: Delivery, index: int, at: int) -> None:
        """A settlement goes to the broker."""
        one.settled_passed = True
        self._close(channel, one, at)
        if one.settlement == "requeued":
            one.processed = True
            self._give_back(one, "requeued", index, at)
            return
        channel.settling[one.tag] = one
        if one.copy is not None and one.copy.last is one:
            self._table.move(one.copy, "settling", index, at)

    def _close(self, channel: Channel, one: Delivery, at: int) -> None:
        if channel.open.pop(one.tag, None) is None:
            return
        if one.copy is None:
            self._foreign(one.queue, -1, at)
        else:
            self.in_hand -= 1

    def _foreign(self, queue: str, count: int, at: int) -> None:
        """A message that is not ours came into a hand, or went out of one."""
        standing = self._table.at(queue)
        standing.foreign += count
        standing.foreign_changed = at

    def _give_back(self, one: Delivery, why: str, index: int, at: int) -> None:
        """The broker has the copy again, or may have: what was not processed may come back."""
        if one.returned:
            return
        one.returned, one.returned_index, one.returned_at = why, index, at
        copy = one.copy
        if copy is not None and copy.last is one and copy.state in ("in_hand", "settling"):
            copy.record.slots[copy.queue, copy.deaths].ready.append(copy)
            self._table.move(copy, "ready", index, at)

    def on_processed(self, event: e.Processed, index: int) -> None:
        """The broker worked off what was passed on before on this channel, short of what it may still lose."""
        channel = self._channel(event)
        for one in channel.likely:
            one.processed = one.processed or _before(one, event.asked)
        channel.likely = [one for one in channel.likely if not one.processed]
        burst = len(channel.settling) >= _EXACT_BARRIER
        for one in list(channel.settling.values()):
            exact = not burst or self.queue_types.get(one.queue) == "classic"
            if exact and _before(one, event.asked):
                self._process(channel, one, index, event.at)

    def _process(self, channel: Channel, one: Delivery, index: int, at: int, *, sure: bool = True) -> None:
        if channel.settling.pop(one.tag, None) is None:
            return
        one.processed = sure
        if one.copy is not None and one.copy.last is one and one.copy.state == "settling":
            self._table.move(one.copy, "settled", index, at)

    def counted(self, one: Delivery, index: int, at: int, *, sure: bool) -> None:
        """A census says that the broker holds this copy no more, surely or by all likelihood."""
        channel = self._channels.get(one.connection, {}).get(one.channel)
        if channel is not None and channel.settling.get(one.tag) is one:
            self._process(channel, one, index, at, sure=sure)
            if not sure:
                channel.likely.append(one)

    def on_commit_sent(self, event: e.CommitSent, index: int) -> None:
        """What the transaction settled is to be carried out."""
        channel = self._channel(event)
        channel.committing.append(channel.uncommitted)
        channel.uncommitted = []

    def on_committed(self, event: e.Committed, index: int) -> None:
        """What the transaction settled counts, and the answer to the commit says that it is processed."""
        channel = self._channel(event)
        for one in channel.committing.popleft() if channel.committing else ():
            if not one.returned:
                self._pass(channel, one, index, event.at)
                self._process(channel, one, index, event.at)

    def on_rolled_back(self, event: e.RolledBack, index: int) -> None:
        """What the transaction settled is open again."""
        channel = self._channel(event)
        for one in channel.uncommitted:
            one.settlement, one.voided = "", True
        channel.uncommitted.clear()

    def on_recovered(self, event: e.Recovered, index: int) -> None:
        """Everything open on the channel goes back."""
        self._return_open(self._channel(event), "recovered", index, event.at)

    def _return_open(
        self, channel: Channel, why: str, index: int, at: int, consumer_tag: str | None = None, by: str = ""
    ) -> list[Delivery]:
        """Give back what is open, or passed on and not known to be processed (not for `recovered`)."""
        back = list(channel.open.values())
        if why != "recovered":
            back += channel.settling.values()
        back = [one for one in back if consumer_tag is None or one.consumer_tag == consumer_tag]
        for one in back:
            channel.settling.pop(one.tag, None)
            self._close(channel, one, at)
            channel.void[one.tag] = one
            one.returned_by = one.returned_by or by
            self._give_back(one, why, index, at)
        return back

    def _reads(self, link: str) -> Iterator[tuple[int, str, int]]:
        """Connection, queue and the number of the event of each subscription that a link has."""
        return ((one.connection, one.queue, one.index) for one in self.subscriptions() if one.link == link)

    # --- subscriptions, channels, connections ---

    def on_subscribed(self, event: e.Subscribed, index: int) -> None:
        """A consumer reads a queue from now on."""
        self._channel(event).subscriptions[event.consumer_tag] = Subscription(
            event.queue, event.link, event.connection, event.channel, event.consumer_tag, event.auto_ack,
            event.prefetch, index,
        )  # fmt: skip
        self.queues_read.setdefault(event.queue, set()).add(event.link)
        self.absence.reads(event)

    def on_polled(self, event: e.Polled, index: int) -> None:
        """A consumer asked for one message."""
        self.queues_read.setdefault(event.queue, set()).add(event.link)
        self.absence.reads(event)

    def on_unsubscribed(self, event: e.Unsubscribed, index: int) -> None:
        """A consumer reads no more; what it has in hand stays there."""
        channel = self._channel(event)
        channel.subscriptions.pop(event.consumer_tag, None)
        for one in channel.open.values():
            if one.consumer_tag == event.consumer_tag:
                one.unsubscribed = True

    def on_cancelled(self, event: e.ConsumerCancelled, index: int) -> None:
        """The broker ended a subscription and takes its deliveries back: later settlements settle nothing."""
        channel = self._channel(event)
        channel.subscriptions.pop(event.consumer_tag, None)
        back = self._return_open(channel, "cancelled", index, event.at, event.consumer_tag)
        self.absence.lost(event, back, self._reads(event.link))

    def on_channel_closed(self, event: e.ChannelClosed, index: int) -> None:
        """A channel ended."""
        channel = self._channel(event)
        channel.closed = True
        channel.subscriptions.clear()
        back = self._return_open(channel, "channel_closed", index, event.at, by=event.by)
        self.absence.lost(event, back, self._reads(event.link))

    def on_channel_opened(self, event: e.ChannelOpened, index: int) -> None:
        """A channel is open; its number may have been used before, its tags start again."""
        self._channels.setdefault(event.connection, {})[event.channel] = Channel()

    def on_link_opened(self, event: e.LinkOpened, index: int) -> None:
        """A client is connected."""
        self.links[event.connection] = event.link

    def on_link_lost(self, event: e.LinkLost, index: int) -> None:
        """A connection ended, and all its channels."""
        self.links.pop(event.connection, None)
        self._lost[event.connection] = event.by
        back: list[Delivery] = []
        for channel in self._channels.pop(event.connection, {}).values():
            for one in (each for commit in channel.committing for each in commit):
                one.settled_passed = True  # it may have been carried out, and the answer eaten
            for one in channel.likely:
                one.eaten = True
            back += self._return_open(channel, "link_lost", index, event.at, by=event.by)
        self.absence.lost(event, back, self._reads(event.link))

    def on_started(self, event: e.ConsumerStarted, index: int) -> None:
        """A consumer's process runs: what is delivered from now on is in its hands."""
        self.incarnations[event.consumer] = self.incarnations.get(event.consumer, 0) + 1
        self.absence.started(event.consumer)

    def on_ended(self, event: e.ConsumerEnded, index: int) -> None:
        """A consumer's process ended: it works on nothing any more."""
        self.absence.ended(event.consumer)


def _before(one: Delivery, asked: int | None) -> bool:
    """Whether a delivery was settled before the broker was asked."""
    return asked is None or (one.settled_at or 0) <= asked
