"""Illegal transition: what no broker may do."""

from __future__ import annotations

from check_builders import Run, found

from pytest_mqchaos.model import events as e


def test_delivered_after_its_ack_was_processed() -> None:
    """A delivery after the barrier answered for the ack, with no broker stop in between, is illegal."""
    run = Run(1).subscribe().publish().work(1).barrier()
    run.ack(run.deliver(1), effect_seen=True).settled()
    assert found(run, "at-most-once") == {"illegal_transition:settled": [1]}


def test_a_broker_stop_in_between() -> None:
    """After a stop the broker may have forgotten the ack."""
    run = Run(1).subscribe().publish().work(1).barrier().restart_broker("crash").subscribe()
    run.ack(run.deliver(1), effect_seen=True).settled()
    assert "illegal_transition:settled" not in found(run)


def test_an_ack_that_was_never_processed() -> None:
    """An ack that was passed on and eaten by a cut settled nothing."""
    run = Run(1).subscribe().publish().work(1).lose().subscribe()
    run.ack(run.deliver(1, redelivered=True), effect_seen=True).settled()
    assert found(run) == {"(redelivered:explained)": [1]}


def test_a_burst_of_acks_that_the_barrier_outran() -> None:
    """On quorum queues a barrier behind 32 settlements or more proves nothing."""
    run = Run(40).subscribe().publish().work(*range(1, 41)).barrier().lose().subscribe()
    for number in range(30, 41):
        run.ack(run.deliver(number, redelivered=True), effect_seen=True)
    assert "illegal_transition:settled" not in found(run.settled())


def test_delivered_though_returned() -> None:
    """A message that the broker returned to its publisher cannot be delivered."""
    run = (
        Run(1).subscribe().publish(confirm=False).answer(1, e.Returned, code=312).answer(1).work(1).settled()
    )
    assert found(run) == {"illegal_transition:returned": [1]}
