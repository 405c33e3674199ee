"""The sentences of what happened around a message: to the link, process or broker that held it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_mqchaos.model.events import (
    BrokerStarted,
    BrokerStopped,
    ChannelClosed,
    ConsumerCancelled,
    ConsumerEnded,
    ConsumerFrozen,
    ConsumerStarted,
    ConsumerThawed,
    Delivered,
    Event,
    FaultFired,
    LinkLost,
    QueueDeleted,
    QueuePurged,
    Recovered,
    RolledBack,
    SettleEnded,
)
from pytest_mqchaos.model.story.walk import Teller, Walk, names_in, reason

__all__ = ["SURROUNDINGS"]


def _back(walk: Walk, event: Event, held: Sequence[Delivered]) -> str:
    """Give open deliveries back, and say what their end was to the message.

    That it came back is known by what follows, or by the last census.
    """
    walk.back(held)
    return "came back" if walk.returns_ahead or walk.ready_at_last(event, held) else "still open"


def _link_lost(walk: Walk, event: LinkLost) -> None:
    how = _how_lost(event) if "broker" not in walk.down else f"{event.link}'s link was lost"
    fault = walk.fault_at(event.at, event.link) if event.by == "fault" else None
    if walk.unconfirmed_on == event.connection:
        walk.unconfirmed_on = None
        walk.say(event, f"{how}, before the confirm", fault=fault)
        return
    held = walk.open_on(event.connection)
    settled = [each for each in walk.acked.values() if each.connection == event.connection]
    undone = walk.effects < walk.expected and any(each.auto_ack for each in settled)
    undone = undone and not (walk.let_go and event.by == "fault")
    if held:
        walk.say(event, f"{_back(walk, event, held)}: {how}", fault=fault)
    elif settled and (walk.deliveries_ahead or undone):
        walk.say(event, how, fault=fault)


def _how_lost(event: LinkLost) -> str:
    if not event.clean:
        return f"{event.link}'s link was lost"
    if event.by == "client":
        return f"{event.link} closed its link"
    return f"the broker closed {event.link}'s link{reason(event)}"


def _channel_closed(walk: Walk, event: ChannelClosed) -> None:
    held = walk.open_on(event.connection, event.channel)
    if not held:
        return
    back = _back(walk, event, held)
    if event.by == "client":
        walk.say(event, f"{back}: {event.link} closed its channel")
    else:
        walk.say(event, f"{back}: the broker closed {event.link}'s channel{reason(event)}")


def _recovered(walk: Walk, event: Recovered) -> None:
    if held := walk.open_on(event.connection, event.channel):
        walk.say(event, f"{_back(walk, event, held)}: {event.link} asked for its deliveries again (recover)")


def _rolled_back(walk: Walk, event: RolledBack) -> None:
    here = (event.connection, event.channel)
    undone = {at: each for at, each in walk.acked.items() if at[:2] == here and not each.auto_ack}
    if undone:
        walk.open.update(undone)
        for at in undone:
            del walk.acked[at]
        walk.at_broker = True
        walk.say(event, f"{event.link} rolled its settlement back")


def _cancelled(walk: Walk, event: ConsumerCancelled) -> None:
    held = walk.open_on(event.connection, event.channel)
    if any(each.consumer_tag == event.consumer_tag for each in held):
        walk.say(event, f"the broker cancelled {event.link}'s subscription")


def _ended(walk: Walk, event: ConsumerEnded) -> None:
    fault = walk.fault_at(event.at, event.consumer, "consumer_") if event.by == "fault" else None
    aimed = fault is not None and fault.message == walk.name and (fault.fault, fault.at) not in walk.told
    acked = [at for at, each in walk.acked.items() if each.link == event.consumer]
    undone = event.by == "itself" and walk.effects < walk.expected
    if not (walk.in_hand(event.consumer) or aimed or (acked and (walk.deliveries_ahead or undone))):
        return
    code = event.exit_code
    how = "" if code is None else f" (exit code {code})" if code >= 0 else f" (signal {-code})"
    text = {"plugin": "ended with the run", "itself": f"ended by itself{how}", "fault": f"terminated{how}"}
    killed = event.by == "fault" and code == -9
    walk.say(event, f"{event.consumer} {'killed' if killed else text[event.by]}", fault=fault)
    if killed and fault is not None:
        walk.killed.append((len(walk.steps) - 1, fault))
    if walk.open or walk.at_broker:
        walk.down.add(event.consumer)
    for at in acked:
        del walk.acked[at]


def _started(walk: Walk, event: ConsumerStarted) -> None:
    if event.consumer in walk.down:
        walk.down.discard(event.consumer)
        walk.say(event, f"{event.consumer} started again")


def _frozen(walk: Walk, event: ConsumerFrozen) -> None:
    if walk.in_hand(event.consumer):
        walk.down.add(f"frozen {event.consumer}")
        walk.say(
            event, f"{event.consumer} frozen", fault=walk.fault_at(event.at, event.consumer, "consumer_")
        )


def _thawed(walk: Walk, event: ConsumerThawed) -> None:
    if f"frozen {event.consumer}" in walk.down:
        walk.down.discard(f"frozen {event.consumer}")
        walk.say(event, f"{event.consumer} goes on")


_STOPPED = {
    "crash": "broker killed",
    "freeze": "broker frozen",
    "restart": "broker stopped",
    "itself": "broker ended by itself",
}


def _broker_stopped(walk: Walk, event: BrokerStopped) -> None:
    if walk.steps and (walk.at_broker or walk.returns_ahead):
        walk.down.add("broker")
        strikes = [each for each in walk.faults if each.target == "broker"]
        written_after = [each for each in strikes if each.at >= event.at]
        walk.say(event, _STOPPED[event.how], fault=next(iter(written_after or strikes[-1:]), None))


def _broker_started(walk: Walk, event: BrokerStarted) -> None:
    if "broker" in walk.down:
        walk.down.discard("broker")
        walk.say(event, "broker goes on" if event.how == "freeze" else "broker started again")


def _fired(walk: Walk, event: FaultFired) -> None:
    if event.actor == "publisher":
        return
    held = event.changed and any(walk.in_hand(name) for name in names_in(event.target))
    if not held and event.message != walk.name:
        return
    if event.changed and event.description.startswith("consumer_terminate"):
        walk.say(event, f"{event.target} asked to end (SIGTERM)", fault=event)
    else:
        walk.struck.append((len(walk.steps), event))


def _emptied(walk: Walk, event: QueuePurged | QueueDeleted) -> None:
    home = walk.message.queue if walk.message is not None else ""
    if walk.at_broker and event.queue == home and not walk.open:
        walk.say(
            event, f"{event.link} {'purged' if isinstance(event, QueuePurged) else 'deleted'} {event.queue}"
        )


def _settle_ended(walk: Walk, event: SettleEnded) -> None:
    for each in walk.open.values():
        walk.say(event, f"still open at {each.link} when the run was judged")
        return


SURROUNDINGS: Mapping[type[Event], Teller] = {
    LinkLost: _link_lost,
    ChannelClosed: _channel_closed,
    Recovered: _recovered,
    RolledBack: _rolled_back,
    ConsumerCancelled: _cancelled,
    ConsumerEnded: _ended,
    ConsumerStarted: _started,
    ConsumerFrozen: _frozen,
    ConsumerThawed: _thawed,
    BrokerStopped: _broker_stopped,
    BrokerStarted: _broker_started,
    FaultFired: _fired,
    QueuePurged: _emptied,
    QueueDeleted: _emptied,
    SettleEnded: _settle_ended,
}
"""The teller of each kind of event around the message."""
