"""Poison: stuck, effected, or where it belongs."""

from __future__ import annotations

import pytest
from check_builders import Run, found, only, queue

ORDERS = queue("orders", dead_letter_exchange="", dead_letter_routing_key="orders.dead")


def test_neither_settled_nor_dead_lettered() -> None:
    """Poison in the hands of a consumer that never answers is stuck, and unacknowledged."""
    run = Run(1, poison=1).subscribe().publish().work(1)
    run.deliver(2)
    assert found(run.unsettled(queue("orders", unacknowledged=1))) == {
        "unacknowledged:hung": [2],
        "poison_stuck": [2],
    }


def test_others_wait_behind_it() -> None:
    """Poison at the head of the line keeps good messages waiting."""
    run = Run(2, poison=1).subscribe(prefetch=1).publish().work(1)
    run.deliver(3)
    assert found(run.unsettled(queue("orders", ready=1, unacknowledged=1))) == {
        "unacknowledged:hung": [3],
        "stalled:behind_unacknowledged": [2],
        "poison_stuck:head_of_line": [3],
    }


def test_a_chosen_delivery_limit_with_a_dead_letter_queue_is_sound() -> None:
    """Three tries by the queue's own delivery limit and then the dead-letter queue is a sound design."""
    run = Run(1, poison=1).subscribe().publish().work(1)
    for turn in range(3):
        run.nack(run.deliver(2, redelivered=turn > 0))
    orders = queue(
        "orders",
        type="quorum",
        arguments={"x-delivery-limit": 3},
        delivery_limit=3,
        dead_letter_exchange="",
        dead_letter_routing_key="orders.dead",
    )
    run.settled(orders, queue("orders.dead", ready=1))
    run.rest(2, "orders.dead", death_reason="delivery_limit", death_queue="orders")
    assert found(run) == {"(redelivered:explained)": [2], "(poison_stuck:limit)": [2]}


def test_never_delivered_is_not_stuck() -> None:
    """Poison that nobody was given yet is stalled with the rest."""
    run = Run(1, poison=1).subscribe(prefetch=1).publish()
    run.deliver(1)
    assert "poison_stuck" not in found(run.unsettled(queue("orders", ready=1, unacknowledged=1)))


@pytest.mark.parametrize("poison", ["dead-letter", "discard"])
def test_an_effect_where_none_is_allowed(poison: str) -> None:
    """Poison that was worked on is a violation where the test says what must become of it."""
    run = Run(1, poison=1).subscribe().publish().work(1, 2).settled()
    assert found(run, poison=poison)["poison_effected"] == [2]


def test_accepting_is_not_failing() -> None:
    """Under auto an effect is accepted and reported: a consumer may treat bodies as opaque."""
    run = Run(1, poison=1).subscribe().publish().work(1, 2).settled(ORDERS, queue("orders.dead"))
    assert found(run) == {"(poison_effected:accepted)": [2]}


def test_settled_without_effect_is_a_discard() -> None:
    """Poison that a consumer settles without effect, where no dead-letter queue is to be had, is a discard."""
    run = Run(1, poison=1).subscribe().publish().work(1)
    assert found(run.ack(run.deliver(2), effect_seen=False).settled()) == {}
    assert found(run, poison="discard") == {}


def test_poison_has_no_effect_to_miss() -> None:
    """Poison that is rejected where no dead-letter exchange is set is no loss."""
    run = Run(1, poison=1).subscribe().publish().work(1)
    assert found(run.nack(run.deliver(2), requeue=False).settled()) == {}


def test_going_round_between_a_queue_and_its_waiting_room() -> None:
    """Poison that is retried for ever is stuck."""
    run = Run(1, poison=1).subscribe().publish().work(1)
    for turn in range(12):
        run.nack(run.deliver(2, deaths=None if turn == 0 else f"{turn}"), requeue=False)
    orders = queue("orders", dead_letter_exchange="", dead_letter_routing_key="orders.wait")
    wait = queue(
        "orders.wait", ready=1, message_ttl=0.5, dead_letter_exchange="", dead_letter_routing_key="orders"
    )
    said = found(run.unsettled(orders, wait))
    assert said["poison_stuck"] == [2]


def test_the_crash_loop_names_the_exit_code() -> None:
    """A consumer that keeps dying on poison is told with its exit code."""
    run = Run(1, poison=1).start().subscribe().publish().work(1)
    for _ in range(2):
        run.deliver(2)
        run.end(by="itself", exit_code=7).lose(by="client").start().subscribe()
    run.deliver(2)
    finding = only(run.unsettled(queue("orders", unacknowledged=1)), "poison_stuck")
    assert (finding.name, finding.cause) == ("poison_stuck:crash_loop", "the last one ended with exit code 7")


def test_the_crash_loop_says_who_waits() -> None:
    """Good messages behind it are no finding of their own while deliveries go on: they wait for it."""
    run = Run(2, poison=1).start().subscribe().publish().work(1)
    for _ in range(2):
        run.deliver(3)
        run.end(by="itself", exit_code=7).lose(by="client").start().subscribe()
    finding = only(run.unsettled(queue("orders", ready=2)), "poison_stuck")
    assert finding.name == "poison_stuck:crash_loop"
    assert finding.claim.endswith("dies on it and it comes back, and others wait behind it")


def test_poison_does_not_wait_behind_poison() -> None:
    """Two that go round with all good ones done are no head of a line."""
    run = Run(1, poison=2).subscribe().publish().work(1)
    for turn in range(12):
        for number in (2, 3):
            run.nack(run.deliver(number, redelivered=turn > 0))
    run.unsettled(queue("orders", ready=2))
    assert found(run)["poison_stuck"] == [2, 3]
