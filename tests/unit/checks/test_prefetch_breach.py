"""Prefetch breach: more in hand than was promised, or no limit at all."""

from __future__ import annotations

import pytest
from check_builders import Run, findings, found, judged, numbers
from hypothesis import given
from hypothesis import strategies as st

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.faults import connection_drop
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.guarantees import at_least_once
from pytest_mqchaos.model.refinements import prefetch
from pytest_mqchaos.model.triggers import ack

PROMISE = at_least_once + prefetch(2)


def breach(run: Run) -> list[Finding]:
    """Return what was found about the prefetch."""
    return [one for one in findings(run, PROMISE) if one.kind == "prefetch_breach"]


def all_at_once(run: Run, count: int, link: str = "worker", **fields: object) -> Run:
    """Deliver everything before any ack."""
    hands = [run.deliver(n, link=link, **fields) for n in range(1, count + 1)]
    return run.effect(*range(1, count + 1), link=link).ack(*hands, effect_seen=True)


def test_more_in_hand_than_was_promised() -> None:
    """A prefetch of ten where two were promised: what came beyond is named."""
    run = all_at_once(Run(4).subscribe(prefetch=10).publish(), 4).settled()
    (finding,) = breach(run)
    assert (finding.name, numbers(finding.messages), finding.violation) == (
        "prefetch_breach:above",
        [3, 4],
        True,
    )
    assert finding.claim == "came to worker when it had 2 or more in hand already"
    assert finding.cause == "worker subscribed to `orders` with a prefetch of 10, and had 4 in hand"
    assert finding.how_to_allow == 'allow=("prefetch_breach:above",)'


def test_as_many_as_were_promised() -> None:
    """Two in hand are kept; a larger prefetch that was never used broke nothing."""
    assert breach(all_at_once(Run(2).subscribe(prefetch=2).publish(), 2).settled()) == []
    assert breach(Run(3).subscribe(prefetch=10).publish().work(1, 2, 3).settled()) == []


def test_without_the_promise_it_is_a_hazard_at_most() -> None:
    """Without the refinement nothing new fails: a missing prefetch is the hazard it was."""
    run = all_at_once(Run(4).subscribe(prefetch=0).publish(), 4).settled()
    assert found(run) == {}
    assert [one.kind for one in judged(run)[1]] == ["unlimited_prefetch"]


def test_no_limit_at_all() -> None:
    """A subscription without a prefetch breaks the promise, also where few messages came."""
    (finding,) = breach(Run(1).subscribe(prefetch=0).publish().work(1).settled())
    assert (finding.name, finding.messages) == ("prefetch_breach:unlimited", ())
    assert finding.cause == "worker subscribed to `orders` without a prefetch"


def test_unlimited_after_a_reconnect() -> None:
    """A consumer that forgets its prefetch when it comes back is told, with the fault that showed it."""
    run = Run(5).subscribe(prefetch=2).publish().plan(connection_drop(after=ack(1))).work(1)
    run.fire().lose().subscribe(prefetch=0)
    hands = [run.deliver(n) for n in (2, 3, 4, 5)]
    run.effect(2, 3, 4, 5).ack(*hands, effect_seen=True).settled()
    (finding,) = breach(run)
    assert (finding.name, numbers(finding.messages)) == ("prefetch_breach:after_reconnect", [4, 5])
    assert finding.fault == 0
    assert finding.cause.endswith("without a prefetch after a reconnect: connection_drop(after=ack(1))")


def test_the_broker_does_not_keep_it() -> None:
    """More than the prefetch in force when it subscribed is the broker's breach."""
    run = all_at_once(Run(2).subscribe(prefetch=1).publish(), 2).settled()
    assert [(one.name, numbers(one.messages)) for one in breach(run)] == [("prefetch_breach:by_broker", [2])]


@pytest.mark.parametrize("fields", [{"get": True, "consumer_tag": ""}, {"auto_ack": True}])
def test_what_knows_no_prefetch(fields: dict[str, object]) -> None:
    """What was asked for by `basic.get`, or is settled as it is sent, does not count."""
    run = Run(4).subscribe(prefetch=2, auto_ack="auto_ack" in fields).publish()
    for number in range(1, 5):
        run.deliver(number, **fields)
    run.effect(1, 2, 3, 4)
    assert breach(run.settled()) == []


def test_a_prefetch_of_the_channel() -> None:
    """Under `global` a broker that honours it is content; one that does not is seen by what it delivers."""

    def shared() -> Run:
        run = Run(3).publish()
        run.on_channel(e.Subscribed, consumer_tag="worker-orders", queue="orders", prefetch=2, shared=True)
        return run

    assert breach(all_at_once(shared(), 2).work(3).settled()) == []
    (finding,) = breach(all_at_once(shared(), 3).settled())
    assert (finding.name, numbers(finding.messages)) == ("prefetch_breach:above", [3])


def test_each_consumer_tag_by_itself() -> None:
    """Two consumers, two channels or two subscriptions have their own limits."""
    run = Run(4).subscribe(prefetch=2).subscribe(link="other", prefetch=2).publish()
    hands = [
        run.deliver(n, link=link) for n, link in ((1, "worker"), (2, "worker"), (3, "other"), (4, "other"))
    ]
    run.effect(1, 2, 3, 4).ack(*hands, effect_seen=True)
    assert breach(run.settled()) == []


@pytest.mark.parametrize("how", ["cancel", "recover", "channel", "link"])
def test_what_was_taken_back_is_not_in_hand(how: str) -> None:
    """A cancel and a new subscription by the same tag, a recover, a new channel or connection start from nothing."""
    run = Run(4).subscribe(prefetch=2).publish()
    first = [run.deliver(1), run.deliver(2)]
    if how == "cancel":
        run.on_channel(e.Unsubscribed, consumer_tag="worker-orders", queue="orders")
        first.append(run.deliver(3))  # was on its way
        run.subscribe(prefetch=2)
        first.append(run.deliver(4))
    elif how == "recover":
        run.on_channel(e.Recovered)
    elif how == "channel":
        run.on_channel(e.ChannelClosed, by="client").on_channel(e.ChannelOpened).subscribe(prefetch=2)
    else:
        run.lose().subscribe(prefetch=2)
    if how != "cancel":
        first = [run.deliver(1, redelivered=True), run.deliver(2, redelivered=True)]
    run.effect(1, 2).ack(*first, effect_seen=True)
    assert breach(run.settled()) == []


def test_a_queue_of_others_is_not_looked_at() -> None:
    """A subscription to a queue that no message of the run came to is the application's own affair."""
    run = Run(1).subscribe(prefetch=2).subscribe("control", link="other", prefetch=0).publish().work(1)
    assert breach(run.settled()) == []


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 3))
def test_a_broker_that_keeps_it_never_breaches(moves: list[bool], limit: int) -> None:
    """Whenever acks come, who is handed no more than the prefetch is never in breach."""
    run = Run(40).subscribe(prefetch=limit).publish()
    hands, number = [], 0
    for deliver in moves:
        if deliver and len(hands) < limit:
            number += 1
            hands.append(run.deliver(number))
        elif hands:
            run.ack(hands.pop(0))
    promise = at_least_once + prefetch(limit)
    assert [one for one in findings(run.settled(), promise) if one.kind == "prefetch_breach"] == []
