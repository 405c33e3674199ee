"""Who may still be at work for a message that the broker has taken back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "checks"))  # the builders of the checks' tests

from check_builders import Hand, Run, found, queue

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.case import ConsumerFacts


def absent(run: Run) -> set[str]:
    """Return who is away."""
    return set(run.ledger().absent())


def holding(**fields: Any) -> tuple[Run, Hand]:
    """A consumer with one delivery in hand."""
    run = Run(2).start().subscribe().publish()
    return run, run.deliver(1, **fields)


def test_lost_with_a_delivery_in_hand() -> None:
    """It may be at work until it reads the queue again on a new connection."""
    run, _ = holding()
    assert absent(run) == set()
    assert absent(run.lose()) == {"worker"}
    run.connection("worker")
    assert absent(run) == {"worker"}
    assert absent(run.subscribe()) == set()


def test_lost_with_nothing_in_hand() -> None:
    """A consumer that had settled what it got is not at work."""
    run, hand = holding()
    assert absent(run.effect(1).ack(hand, effect_seen=True).lose()) == set()


def test_an_ack_that_never_arrived_is_the_end_of_the_work() -> None:
    """A swallowed ack says that the work is done."""
    run, hand = holding()
    assert absent(run.effect(1).ack(hand, effect_seen=True, passed=False).lose()) == set()


@pytest.mark.parametrize("passed", [True, False])
def test_an_ack_before_its_work_is_not(passed: bool) -> None:
    """A consumer that acknowledges first is at work after its ack."""
    run, hand = holding()
    assert absent(run.ack(hand, effect_seen=False, passed=passed).lose()) == {"worker"}


def test_other_queues_and_older_connections_are_no_return() -> None:
    """One connection of several lives on, and reads: the one with the delivery in hand has not come back."""
    run, _ = holding()
    run.add(e.LinkOpened, link="worker", connection=7)
    lives = {"link": "worker", "connection": 7, "channel": 1}
    run.lose().add(e.Polled, queue="orders", **lives)
    assert absent(run) == {"worker"}
    assert absent(run.subscribe("invoices")) == {"worker"}
    assert absent(run.subscribe("orders")) == set()


def test_back_before_its_loss_was_seen() -> None:
    """A client may connect again before its old connection is known to be dead."""
    run, _ = holding()
    run.add(e.LinkOpened, link="worker", connection=99)
    run.add(e.Subscribed, link="worker", connection=99, channel=1, consumer_tag="x", queue="orders")
    assert absent(run.lose()) == set()


def test_a_second_connection_from_the_start_is_no_return() -> None:
    """What was subscribed before the delivery does not say that its handler is through."""
    run = Run(1).start().subscribe().publish()
    run.add(e.LinkOpened, link="worker", connection=99)
    run.add(e.Subscribed, link="worker", connection=99, channel=1, consumer_tag="x", queue="orders")
    run.deliver(1)
    assert absent(run.lose()) == {"worker"}


def test_ended_is_not_absent() -> None:
    """A process that ended works on nothing."""
    run, _ = holding()
    assert absent(run.crash()) == set()
    assert absent(run.start()) == set()


def test_closed_by_itself() -> None:
    """A client that closes its connection, or its channel, knows what it gives back."""
    run, _ = holding()
    assert absent(run.lose(by="client", clean=True)) == set()
    run, _ = holding()
    assert absent(run.on_channel(e.ChannelClosed, by="client")) == set()


def test_an_acknowledgement_time_out() -> None:
    """A broker that closes the channel, or cancels the consumer, leaves its handler at work."""
    run, _ = holding()
    run.on_channel(e.ChannelClosed, by="broker", code=406)
    assert absent(run) == {"worker"}
    assert absent(run.on_channel(e.ChannelOpened).subscribe()) == set()
    run, _ = holding()
    run.on_channel(e.ConsumerCancelled, consumer_tag="worker-orders", queue="orders")
    assert absent(run) == {"worker"}
    assert absent(run.subscribe()) == set()


def test_not_called_kept_while_it_is_away() -> None:
    """Before it has come back, or was ended, nobody can say that nothing is done twice."""
    run, _ = holding()
    run.start("other", pid=7).lose().subscribe(link="other")
    run.work(1, link="other", redelivered=True).work(2, link="other").settled(queue("orders"))
    alive = (ConsumerFacts(name="worker", alive=True), ConsumerFacts(name="other", alive=True))
    assert found(run, "exactly-once", consumers=alive, final=False) == {
        "(redelivered:explained)": [1],
        "duplicated:not_back?": [],
    }
    assert found(run, "exactly-once", consumers=alive) == {"(redelivered:explained)": [1]}
    assert found(run, "at-least-once", consumers=alive, final=False) == {"(redelivered:explained)": [1]}
    dead = (ConsumerFacts(name="worker", alive=False), ConsumerFacts(name="other", alive=True))
    assert found(run, "exactly-once", consumers=dead, final=False) == {"(redelivered:explained)": [1]}


def test_done_late_is_done_twice() -> None:
    """The effect that comes late is the second one."""
    run, _ = holding()
    run.start("other", pid=7).lose().subscribe(link="other")
    run.work(1, link="other", redelivered=True).work(2, link="other").effect(1).subscribe().settled()
    assert found(run, "exactly-once") == {"(redelivered:explained)": [1], "duplicated:by_redelivery": [1]}


@pytest.mark.parametrize("prefix", ["amq.gen-", "amq_"])
def test_a_queue_that_has_a_new_name_each_time(prefix: str) -> None:
    """Who reads a queue that the broker, or its library, names has come back when it reads the next one."""
    run = Run(1).start().subscribe(f"{prefix}1").publish(routing_key=f"{prefix}1")
    run.deliver(1, f"{prefix}1")
    assert absent(run.lose()) == {"worker"}
    assert absent(run.subscribe("orders")) == {"worker"}
    assert absent(run.subscribe(f"{prefix}2")) == set()
