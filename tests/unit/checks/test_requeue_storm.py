"""Requeue storm: given back again and again."""

from __future__ import annotations

import pytest
from check_builders import SECOND, Run, found, only, queue

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.faults import connection_drop
from pytest_mqchaos.model.triggers import delivery


def requeued(times: int, *, pause: float = 0.0, poison: int = 1) -> Run:
    """A poison message is given back so many times."""
    run = Run(1, poison=poison).subscribe().publish().work(1).barrier()
    for turn in range(times):
        run.nack(run.deliver(2, redelivered=turn > 0)).wait(pause)
    return run


def test_nack_requeue_of_poison() -> None:
    """A consumer that requeues poison at once makes a storm, and the poison is stuck."""
    run = requeued(30).unsettled(queue("orders", ready=1))
    assert found(run) == {
        "requeue_storm": [2],
        "poison_stuck": [2],
        "(redelivered:explained)": [2],
    }


def test_a_storm_that_the_delivery_limit_ends() -> None:
    """A storm on a quorum queue ends with the broker's default limit: both are named."""
    run = requeued(20).settled(queue("orders", type="quorum", delivery_limit=20))
    assert found(run) == {
        "requeue_storm": [2],
        "poison_stuck:limit": [2],
        "(redelivered:explained)": [2],
    }


def test_three_tries_and_then_the_dead_letter_queue() -> None:
    """Three immediate tries and then the dead-letter queue is a sound design."""
    run = requeued(3)
    run.nack(run.deliver(2, redelivered=True), requeue=False)
    orders = queue("orders", dead_letter_exchange="", dead_letter_routing_key="orders.dead")
    run.settled(orders, queue("orders.dead", ready=1))
    run.rest(2, "orders.dead", death_reason="rejected", death_queue="orders")
    assert found(run) == {"(redelivered:explained)": [2]}


def test_redeliveries_that_go_on_while_nothing_progresses() -> None:
    """Slow requeues are a storm too if nothing else happens."""
    run = requeued(12, pause=2 * SECOND).unsettled(queue("orders", ready=1))
    assert "requeue_storm" in found(run)


@pytest.mark.parametrize(
    ("times", "since", "found_as"), [(4, 1.5, "storm"), (2, 1.5, "hung"), (4, 20, "hung")]
)
def test_a_slow_handler_that_requeues(times: int, since: float, found_as: str) -> None:
    """Held for over a second and requeued, three times and more while nothing else moves; one that stops is hung."""
    run = Run(2).subscribe().publish().work(1)
    hand = run.deliver(2)
    for _ in range(times):
        hand = run.wait(1.2 * SECOND).nack(hand).deliver(2, redelivered=True)
    run.wait(since * SECOND).census(queue("orders", unacknowledged=1), times=2)
    run.add(e.SettleEnded, settled=False, reason="no progress for 6 s")
    run.settings["settled"] = False
    said = found(run)
    assert ("requeue_storm" in said, "unacknowledged:hung" in said) == (
        found_as == "storm",
        found_as != "storm",
    )


def test_slow_tries_while_others_progress() -> None:
    """Ten slow tries are a retry, not a storm."""
    run = requeued(11, pause=2 * SECOND)
    hand = run.deliver(2, redelivered=True)
    assert "requeue_storm" not in found(run.ack(hand).settled())


def test_a_process_that_dies_each_time_is_no_storm() -> None:
    """Deliveries to processes that die on it are a crash loop."""
    run = Run(1, poison=1).start().subscribe().publish()
    for _ in range(12):
        run.deliver(2)
        run.end(by="itself", exit_code=1).lose(by="client").start().subscribe()
    said = found(run.work(1).unsettled(queue("orders", ready=1)))
    assert "requeue_storm" not in said
    assert said["poison_stuck:crash_loop"] == [2]


def test_a_fault_that_strikes_many_times_is_no_storm_of_the_consumers() -> None:
    """What faults gave back twelve times in quick succession, and was worked on then, is nobody's storm."""
    run = Run(6).start().subscribe(prefetch=5).publish()
    run.plan(connection_drop(after=delivery(5), every=5, times=12))
    for turn in range(12):
        for number in range(1, 6):
            run.deliver(number, redelivered=turn > 0)
        run.fire(0, at=5).lose().wait(50).subscribe(prefetch=5)
    said = found(run.work(1, 2, 3, 4, 5, redelivered=True).work(6).settled())
    assert said == {"(redelivered:explained)": [1, 2, 3, 4, 5]}


def test_restarts_of_the_broker_are_no_storm_of_the_consumers() -> None:
    """A broker that stops ten times hands everything out again ten times."""
    run = Run(1).start().subscribe().publish()
    for turn in range(10):
        run.deliver(1, redelivered=turn > 0)
        run.restart_broker().subscribe()
    assert "requeue_storm" not in found(run.work(1, redelivered=True).settled())


def test_a_consumer_that_closes_its_connection_each_time_makes_a_storm() -> None:
    """To close and connect again is to give back, by another way."""
    run = Run(1, poison=1).start().subscribe().publish().work(1)
    for turn in range(12):
        run.deliver(2, redelivered=turn > 0)
        run.lose(by="client").subscribe()
    assert "requeue_storm" in found(run.unsettled(queue("orders", ready=1)))


def test_an_endless_retry_by_publishing_again() -> None:
    """A message that its consumer publishes again and acks, without end, goes round as well, and is named."""
    run = Run(2).subscribe().publish().work(1)
    hand = run.deliver(2)
    for _ in range(60):
        run.republish(2, "orders").ack(hand, effect_seen=False)
        hand = run.deliver(2)
    run.republish(2, "orders").ack(hand, effect_seen=False)
    assert found(run.unsettled(queue("orders", ready=1)))["requeue_storm"] == [2]


def test_what_was_prefetched_by_processes_that_die_is_no_storm() -> None:
    """Good messages that lie behind poison come back with each process that dies of it."""
    run = Run(6, poison=1).start().subscribe().publish().work(1)
    for _ in range(6):
        for number in (7, 2, 3, 4, 5, 6):
            run.deliver(number)
        run.end(by="itself", exit_code=1).lose(by="client").start().subscribe()
    said = found(run.unsettled(queue("orders", ready=6)))
    assert "requeue_storm" not in said
    assert "poison_stuck:crash_loop" in said


def test_a_channel_that_the_broker_closes_each_time() -> None:
    """The consumer gives nothing back: its mistake is what the broker closes the channel for, and says."""
    run = Run(1).subscribe().publish()
    for turn in range(12):
        run.deliver(1, redelivered=turn > 0)
        run.on_channel(
            e.ChannelClosed, by="broker", code=406, text="PRECONDITION_FAILED - unknown delivery tag 9"
        )
        run.on_channel(e.ChannelOpened).subscribe()
    finding = only(run.unsettled(queue("orders", ready=1)), "requeue_storm")
    assert finding.claim.startswith(
        "requeue storm: the broker closes the channel of worker with it in hand again and again"
    )
    assert finding.cause == "406 PRECONDITION_FAILED - unknown delivery tag 9"
    assert finding.mend.startswith("settle each delivery once, on the channel that it came on")
