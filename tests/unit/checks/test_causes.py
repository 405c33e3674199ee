"""Which fault explains what was found: one that came before it, or was there, and none that came later."""

from __future__ import annotations

import pytest
from check_builders import SECOND, Run, found, only

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.faults import (
    broker_freeze,
    broker_restart,
    connection_drop,
    consumer_crash,
    malformed_payload,
)
from pytest_mqchaos.model.triggers import ack, seconds


def ended_by_itself(fires_after: float | None) -> Run:
    """A consumer acknowledges early and ends by itself; a link is cut later."""
    run = Run(2).start().subscribe().publish().plan(connection_drop(after=seconds(10)))
    run.ack(run.deliver(1), effect_seen=False).barrier().end(by="itself", exit_code=1).lose(by="client")
    run.start().subscribe()
    if fires_after is not None:
        run.wait(int(fires_after * SECOND)).fire(0).lose().subscribe()
    return run.work(2).settled()


def freeze(run: Run) -> None:
    """Let the broker stand still for a moment."""
    run.add(e.BrokerStopped, how="freeze")
    run.add(e.BrokerStarted, how="freeze")


@pytest.mark.parametrize("later", [None, 10.0])
def test_a_later_strike_explains_no_end_of_a_process(later: float | None) -> None:
    """What ended by itself did so whatever was broken ten seconds later."""
    finding = only(ended_by_itself(later), "lost")
    assert finding.cause == "worker ended by itself with exit code 1"
    assert finding.fault is None


def test_a_later_strike_explains_no_end_of_a_connection() -> None:
    """A client that left by itself was not cut by the drop that came ten seconds later."""
    run = Run(1).subscribe().publish().plan(connection_drop(after=seconds(10)))
    run.deliver(1)
    run.lose(by="client").subscribe().work(1, redelivered=True)
    run.wait(10 * SECOND).fire(0).lose().subscribe().settled()
    assert only(run, "redelivered").cause == "worker lost its connection"


def test_what_follows_may_be_seen_a_moment_before_its_strike() -> None:
    """Two observers: the end of a connection is recorded by one, the strike that made it by another."""
    run = Run(1).subscribe().publish().plan(connection_drop(after=seconds(1)))
    run.deliver(1)
    run.lose(by="client").fire(0).subscribe().work(1, redelivered=True).settled()
    assert only(run, "redelivered").cause == "connection_drop(after=seconds(1))"


@pytest.mark.parametrize("strikes", [True, False])
def test_a_later_stop_of_the_broker_explains_no_requeue(strikes: bool) -> None:
    """It was given back a minute before the broker went down."""
    run = Run(2).subscribe().publish().plan(broker_restart(after=seconds(60)))
    run.nack(run.deliver(1)).work(1, redelivered=True).wait(60 * SECOND)
    if strikes:
        run.fire(0, "broker")
    run.restart_broker().subscribe().work(2).settled()
    finding = only(run, "redelivered")
    assert (finding.cause, finding.fault) == ("worker gave it back", None)


def test_a_stop_of_the_broker_right_behind_a_requeue_may_explain_it() -> None:
    """The requeue may not have arrived: what brought the message back was then the stop."""
    run = Run(1).subscribe().publish().plan(broker_restart(after=seconds(60)))
    run.nack(run.deliver(1)).fire(0, "broker").restart_broker().subscribe().work(
        1, redelivered=True
    ).settled()
    assert only(run, "redelivered").cause == "broker_restart(after=seconds(60))"


def test_a_broker_that_stands_still_gives_nothing_back() -> None:
    """It keeps all that it has: the requeue is the consumer's."""
    run = Run(1).subscribe().publish().plan(broker_freeze(after=seconds(1)))
    freeze(run.nack(run.deliver(1)))
    run.work(1, redelivered=True).settled()
    assert only(run, "redelivered").cause == "worker gave it back"


def test_a_broker_that_stands_still_forgets_nothing() -> None:
    """A delivery after an ack that was processed stays illegal."""
    run = Run(1).subscribe().publish().work(1).barrier()
    freeze(run)
    run.ack(run.deliver(1), effect_seen=True).settled()
    assert found(run, "at-most-once") == {"illegal_transition:settled": [1]}


def test_what_was_published_strikes_no_consumer_of_that_name() -> None:
    """A payload fault names the queue it came to; a consumer may be called like it."""
    run = Run(1, to="orders").subscribe(link="orders").publish().plan(malformed_payload())
    run.fire(0, "orders", actor="publisher").deliver(1, link="orders")
    run.lose("orders", by="client").subscribe(link="orders")
    run.work(1, redelivered=True, link="orders").settled()
    assert only(run, "redelivered").cause == "orders lost its connection"


def test_an_automatic_ack_that_never_arrived_is_put_down_to_the_end_of_its_connection() -> None:
    """However long after its delivery the connection was cut: it was on its way all the time."""
    run = Run(1).start().subscribe(auto_ack=True).publish().plan(connection_drop(after=seconds(20)))
    run.deliver(1, auto_ack=True, passed=False)
    run.wait(20 * SECOND).fire(0).lose().subscribe(auto_ack=True).settled()
    finding = only(run, "lost")
    assert (finding.name, finding.cause) == ("lost:in_transit", "connection_drop(after=seconds(20))")


def test_the_crash_behind_an_ack_explains_its_loss() -> None:
    """The strike and the end of the process are one moment."""
    run = Run(2).start().subscribe().publish().plan(consumer_crash(after=ack(1)))
    run.ack(run.deliver(1), effect_seen=False).barrier().crash(fault=0).start().subscribe().work(2).settled()
    assert only(run, "lost").cause == "consumer_crash(after=ack(1))"
