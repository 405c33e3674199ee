"""The sentences of a message's own events: published, delivered, settled, effected, at rest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath

from pytest_mqchaos.model.events import (
    Acked,
    Answered,
    Called,
    Claimed,
    Confirmed,
    Delivered,
    Effected,
    Event,
    Nacked,
    Published,
    PublishFailed,
    PublishNacked,
    Rejected,
    Republished,
    Rested,
    Returned,
)
from pytest_mqchaos.model.story.walk import Teller, Walk, place, reason

__all__ = ["SENTENCES"]


def _published(walk: Walk, event: Published) -> None:
    if not event.passed:
        fault = walk.fault_at(event.at, event.link, "connection", "refuse", "black_hole")
        walk.say(event, "published, it never reached the broker", fault=fault)
        return
    again = any(step.text.startswith("published") for step in walk.steps)
    kind = "" if walk.message is None else walk.message.kind
    malformed = f"malformed: {kind}" if kind not in ("", "own") else ""
    walk.say(event, "published again" if again else "published", note=malformed)
    walk.at_broker = True
    if walk.message is None or walk.message.confirm:
        walk.unconfirmed_on = event.connection


def _confirmed(walk: Walk, event: Confirmed) -> None:
    walk.unconfirmed_on = None
    if event.passed:
        walk.say(event, "confirmed")
    else:
        walk.say(
            event,
            "confirmed, the publisher was not told",
            fault=walk.fault_at(event.at, event.link, "lost_confirm"),
        )


def _publish_nacked(walk: Walk, event: PublishNacked) -> None:
    walk.unconfirmed_on = None
    walk.say(event, "refused by the broker (nack to the publisher)")


def _returned(walk: Walk, event: Returned) -> None:
    walk.at_broker = False
    walk.say(event, f"returned, no queue took it{reason(event)}")


def _publish_failed(walk: Walk, event: PublishFailed) -> None:
    walk.say(event, f"never written ({event.reason})" if event.reason else "never written")


def _claimed(walk: Walk, event: Claimed) -> None:
    walk.say(event, f"sent, said {event.producer}")


# --- deliveries and settlements --------------------------------------------------------------------------


def _delivered(walk: Walk, event: Delivered) -> None:
    walk.deliveries_ahead -= 1
    walk.returns_ahead -= 1
    facts = ["automatic ack"] if event.auto_ack else [f"tag {event.tag}"]
    if event.get:
        facts.insert(0, "basic.get")
    home = walk.message.queue if walk.message is not None else ""
    source = f" from {event.queue}" if event.queue != home else ""
    if event.passed:
        walk.handed_on.discard(event.link)
        again = "again " if event.queue in walk.queues else ""
        walk.say(event, f"delivered {again}to {event.link}{source} ({', '.join(facts)})")
    else:
        fault = walk.fault_at(event.at, event.link)
        walk.say(event, f"sent to {event.link}{source}, it never arrived ({', '.join(facts)})", fault=fault)
    (walk.acked if event.auto_ack else walk.open)[place(event)] = event
    walk.queues.add(event.queue)
    walk.last_link = event.link
    walk.at_broker = not event.auto_ack


def _settle(walk: Walk, event: Acked | Nacked | Rejected, *, requeued: bool = False) -> None:
    if not event.passed:
        return
    delivered = walk.open.pop(place(event), None)
    if delivered is not None and isinstance(event, Acked):
        walk.acked[place(event)] = delivered
    walk.at_broker = requeued or bool(walk.open)


def _acked(walk: Walk, event: Acked) -> None:
    _settle(walk, event)
    until = walk.unshown_until
    absent = event.effect_seen is None and until is not None and event.at < until
    early = (
        (event.effect_seen is False or absent)
        and not walk.effects
        and walk.expected
        and event.link not in walk.handed_on  # its work is the copy's
    )
    note = "before its effect" if early else ""
    if not event.passed:
        fault = walk.fault_at(event.at, event.link, "lost_ack", "connection", "refuse", "black_hole")
        walk.say(event, f"{event.link}'s ack never reached the broker", note, fault)
        return
    canary = walk.fault_at(event.at, event.link, "canary")
    if canary is not None and canary.message == event.message and canary.description.startswith("canary"):
        walk.say(event, f"acknowledged by the wire: {event.link} was never given it", "by the canary")
        return
    how = ", ".join(["multiple"] * event.multiple + ["transaction"] * event.transactional)
    walk.say(event, f"acknowledged by {event.link}" + (f" ({how})" if how else ""), note)


def _given_back(walk: Walk, event: Nacked | Rejected) -> None:
    _settle(walk, event, requeued=event.requeue)
    word = "nack" if isinstance(event, Nacked) else "reject"
    if not event.passed:
        fault = walk.fault_at(event.at, event.link, "connection", "refuse", "black_hole")
        walk.say(event, f"{event.link}'s {word} never reached the broker", fault=fault)
    elif event.requeue:
        walk.say(event, f"requeued by {event.link}")
    else:
        walk.say(event, f"rejected by {event.link} ({word} without requeue)")


def _effected(walk: Walk, event: Effected) -> None:
    walk.effects += event.count
    shown = walk.effects_from[event.source] = walk.effects_from.get(event.source, 0) + event.count
    source = PurePath(event.source).name or event.source
    by = f", {event.consumer}" if event.consumer not in (None, walk.last_link) else ""
    often = f" {event.count} times" if event.count > 1 else ""
    note = "" if shown <= max(walk.expected, 1) else f"{shown} of {walk.expected} expected"
    if walk.message is not None and walk.message.poison:
        note = "though it cannot be processed"
    if event.planted:
        walk.say(event, "its effect counted once more", "by the canary, which no consumer did")
        return
    walk.say(event, f"effect seen{often} ({source}{by})", note)


def _called(walk: Walk, event: Called) -> None:
    again = f", try {event.attempt}" if event.attempt > 1 else ""
    walk.say(event, f"{event.consumer or 'somebody'} called {event.source} ({event.request}{again})")


def _answered(walk: Walk, event: Answered) -> None:
    note = (
        "as planned, for a while" if event.refused else "done before, known again" if event.repeated else ""
    )
    unheard = "" if event.heard else ", and nobody was there to read it"
    walk.say(event, f"{event.source} answered {event.status}{unheard}", note)


def _republished(walk: Walk, event: Republished) -> None:
    where = " ".join(part for part in (event.exchange, event.routing_key) if part)
    walk.say(
        event,
        f"published by {event.link} to {where}" + ("" if event.passed else ", it never reached the broker"),
    )
    walk.at_broker = walk.at_broker or event.passed
    if event.passed:
        walk.handed_on.add(event.link)


def _rested(walk: Walk, event: Rested) -> None:
    walk.returns_ahead -= 1
    walk.say(event, f"rests in {event.queue}" + (f" ({event.death_reason})" if event.death_reason else ""))


SENTENCES: Mapping[type[Event], Teller] = {
    Published: _published,
    Confirmed: _confirmed,
    PublishNacked: _publish_nacked,
    Returned: _returned,
    PublishFailed: _publish_failed,
    Claimed: _claimed,
    Delivered: _delivered,
    Acked: _acked,
    Nacked: _given_back,
    Rejected: _given_back,
    Effected: _effected,
    Called: _called,
    Answered: _answered,
    Republished: _republished,
    Rested: _rested,
}
"""The teller of each kind of event that carries the message's id."""
