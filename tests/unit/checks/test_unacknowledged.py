"""Unacknowledged: in hand at the end, on an open channel."""

from __future__ import annotations

from check_builders import SECOND, Run, found, numbers, only, queue

from pytest_mqchaos.model import events as e


def test_an_exception_that_is_swallowed() -> None:
    """A consumer that neither settles nor gives back what failed keeps exactly these messages."""
    run = Run(4).subscribe().publish()
    run.deliver(1)
    run.work(2)
    run.deliver(3)
    run.work(4).unsettled(queue("orders", unacknowledged=2))
    finding = only(run, "unacknowledged")
    assert (finding.name, finding.violation) == ("unacknowledged:hung", True)
    assert numbers(finding.messages) == [1, 3]
    assert "reject or nack when it fails" in finding.mend


def test_work_done_and_never_acknowledged() -> None:
    """A delivery whose effect happened and that was never settled is leaked."""
    run = Run(1).subscribe().publish()
    run.deliver(1)
    run.effect(1).unsettled(queue("orders", unacknowledged=1))
    assert found(run) == {"unacknowledged:leaked": [1]}


def test_a_consumer_that_stands_still() -> None:
    """What a frozen consumer holds is held by a zombie: the broker counts it alive."""
    run = Run(1).start().subscribe().publish()
    run.deliver(1)
    run.add(e.ConsumerFrozen, consumer="worker")
    assert found(run.unsettled(queue("orders", unacknowledged=1))) == {"unacknowledged:zombie": [1]}


def test_everything_settled() -> None:
    """A consumer that settles everything leaves nothing open."""
    assert found(Run(3).subscribe().publish().work(1, 2, 3).settled()) == {}


def test_slow_is_not_stuck() -> None:
    """Slow is not stuck: a handler longer than the settle time-out is named as such."""
    run = Run(1).subscribe().publish()
    run.deliver(1)
    run.wait(15 * SECOND).unsettled(queue("orders", unacknowledged=1))
    assert only(run, "unacknowledged").cause == "no answer from the handler of worker for 45 s"


def test_drain() -> None:
    """What consumers hand back or finish when they are ended is judged by the state before."""
    run = Run(2).start().subscribe().publish()
    first, _ = run.deliver(1), run.deliver(2)
    run.effect(1, 2).unsettled(queue("orders", unacknowledged=2))
    run.ack(first, effect_seen=True).lose(by="client", clean=True).end(by="plugin", exit_code=0)
    run.census(queue("orders", ready=1))
    assert found(run) == {"unacknowledged:leaked": [1, 2]}


def test_drained_on_sigterm_after_a_settled_run() -> None:
    """A consumer that closes its channel at the end of a settled run did nothing wrong."""
    run = Run(1).start().subscribe().publish().work(1).settled()
    assert found(run.lose(by="client", clean=True).end(by="plugin", exit_code=0)) == {}


def test_foreign_messages_are_left_alone() -> None:
    """Foreign traffic in hand is nobody's finding."""
    run = Run(1).subscribe().publish()
    run.deliver(None)
    assert found(run.work(1).settled(queue("orders", unacknowledged=1))) == {}


def test_on_its_way_round_by_publishing_again() -> None:
    """Each try is acknowledged behind the publish of the next one: the snapshot fell into one, and nothing hangs."""
    run = Run(1, poison=1).subscribe().publish().work(1)
    hand = run.deliver(2)
    run.republish(2, "orders").ack(hand).wait(29_900)
    run.deliver(2)
    run.census(queue("orders", unacknowledged=1), times=2).add(
        e.SettleEnded, settled=False, reason="no progress"
    )
    run.settings["settled"] = False
    assert "unacknowledged:hung" not in found(run)
