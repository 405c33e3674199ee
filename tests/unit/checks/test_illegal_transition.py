"""Illegal transition: what no broker may do."""

from __future__ import annotations

from check_builders import Run, found, queue

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


def test_an_ack_that_was_sent_behind_the_question() -> None:
    """A client that works on while the broker is asked may settle more before the answer is here."""
    run = Run(2).subscribe().publish().work(1)
    asked = run.events[-1].at
    run.work(2).on_channel(e.Processed, asked=asked).lose().subscribe()
    run.ack(run.deliver(2, redelivered=True), effect_seen=True).settled()
    assert found(run) == {"(redelivered:explained)": [2]}


def test_an_ack_that_was_sent_behind_the_commit() -> None:
    """What was settled between a commit and its answer is in the next transaction."""
    run = Run(2).subscribe().publish()
    one, two = run.deliver(1), run.deliver(2)
    run.effect(1, 2).ack(one, transactional=True, effect_seen=True).on_channel(e.CommitSent)
    run.ack(two, transactional=True, effect_seen=True).on_channel(e.Committed).lose().subscribe()
    run.ack(run.deliver(2, redelivered=True), effect_seen=True).settled()
    assert found(run) == {"(redelivered:explained)": [2]}


def test_an_ack_that_was_eaten_before_we_saw_the_cut() -> None:
    """While a queue holds more than is known to be there, nothing that was settled there is taken as processed."""
    run = Run(1).subscribe(link="a").subscribe(link="b").publish()
    hand = run.deliver(1, link="a")
    run.effect(1, link="a").ack(hand, effect_seen=True).census(queue("orders", ready=1), times=2)
    run.lose("a", by="broker").ack(run.deliver(1, link="b", redelivered=True), effect_seen=True).settled()
    assert found(run) == {"(redelivered:explained)": [1]}


def test_copies_by_carbon_copy() -> None:
    """Each publication of a message with a `CC` makes a copy there as well."""
    run = Run(1).subscribe().subscribe("audit", link="audit").publish()
    hand = run.deliver(1)
    run.ack(run.deliver(1, "audit", link="audit"), effect_seen=False).barrier("audit")
    run.republish(1, "orders").ack(hand, effect_seen=False).barrier()
    run.ack(run.deliver(1, "audit", link="audit"), effect_seen=False)
    assert found(run.work(1).settled(queue("orders"), queue("audit"))) == {}


def test_delivered_though_returned() -> None:
    """A message that the broker returned to its publisher cannot be delivered."""
    run = (
        Run(1).subscribe().publish(confirm=False).answer(1, e.Returned, code=312).answer(1).work(1).settled()
    )
    assert found(run) == {"illegal_transition:returned": [1]}
