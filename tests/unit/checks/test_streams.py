"""Streams: named, and not judged by counts that mean something else there."""

from __future__ import annotations

from check_builders import Run, found, only, queue

from pytest_mqchaos.model.topology import QueueState


def stream(ready: int) -> QueueState:
    """A stream holds all that was ever published to it."""
    return queue("orders", ready=ready, type="stream", exact=False)


def test_a_consumer_that_does_its_work() -> None:
    """Where all work shows, the run is settled and a pass; the stream is named."""
    run = Run(3).subscribe().publish().work(1, 2, 3).settled(stream(3))
    assert found(run) == {"(stalled:stream?)": []}
    assert run.ledger().settled() == (True, "")
    assert only(run, "stalled").claim == (
        "`orders` is a stream: what is left to read there is not judged, only what shows as an effect"
    )


def test_it_is_settled_once_all_was_delivered() -> None:
    """What was never delivered is on its way, and what was acknowledged is done with."""
    run = Run(3).subscribe().publish().work(1, 2).census(stream(3), times=2)
    assert run.ledger().settled() == (False, "1 messages of the stream `orders` were never delivered")
    hand = run.deliver(3)
    assert run.census(stream(3)).ledger().settled() == (False, "1 deliveries are open")
    assert run.effect(3).ack(hand).census(stream(3), times=2).ledger().settled() == (True, "")


def test_work_that_was_not_done_cannot_be_judged() -> None:
    """An ack takes nothing away: the message is still there to be read."""
    run = Run(2).subscribe().publish().work(1)
    run.ack(run.deliver(2), effect_seen=False)
    finding = only(run.settled(stream(2)), "lost")
    assert (finding.unknown, finding.violation) == (True, True)
    assert finding.claim.startswith("cannot be judged, for `orders` is a stream: ")


def test_what_was_never_delivered_cannot_be_judged() -> None:
    """Neither lost nor stalled: unknown."""
    said = found(Run(2).subscribe().publish().work(1).unsettled(stream(2)))
    assert said == {"(stalled:stream?)": [], "lost:by_broker?": [2]}


def test_read_twice_is_how_streams_are_read() -> None:
    """Two consumers that read the same stream break no rule of the broker's."""
    run = Run(1).subscribe().subscribe(link="other").publish().work(1)
    run.ack(run.deliver(1, link="other"), effect_seen=True)
    said = found(run.settled(stream(1)), "exactly-once")
    assert all(name.startswith("(") for name in said), said


def test_work_that_was_done_twice_is() -> None:
    """Effects count wherever their message came from."""
    run = Run(1).subscribe().subscribe(link="other").publish().work(1).work(1, link="other")
    assert found(run.settled(stream(1)), "exactly-once")["duplicated:by_redelivery"] == [1]


def test_without_effects_nothing_is_known() -> None:
    """An ack says nothing: such a run is no pass."""
    run = Run(1).subscribe().publish()
    run.ack(run.deliver(1)).settled(stream(1))
    assert found(run, evidence="broker") == {"stalled:stream?": []}


def test_a_stream_besides() -> None:
    """A stream that the run has nothing to do with is not named, and hides nothing."""
    run = (
        Run(2)
        .subscribe()
        .publish()
        .work(1)
        .unsettled(queue("orders", ready=1), queue("log", ready=9, type="stream"))
    )
    assert found(run) == {"stalled:silent": [2]}
