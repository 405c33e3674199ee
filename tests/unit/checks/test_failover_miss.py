"""Failover miss: what a dead consumer held, and nobody else got in time."""

from __future__ import annotations

from check_builders import SECOND, Run, findings, found, numbers, queue
from hypothesis import given
from hypothesis import strategies as st

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.faults import combine, connection_drop, consumer_crash, refuse
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.guarantees import at_least_once
from pytest_mqchaos.model.refinements import failover
from pytest_mqchaos.model.triggers import delivery

PROMISE = at_least_once + failover(2)
CRASH = consumer_crash(after=delivery(1))


def missed(run: Run) -> list[Finding]:
    """Return what was found about the failover."""
    return [one for one in findings(run, PROMISE) if one.kind == "failover_miss"]


def two(count: int = 1) -> Run:
    """Two consumers of one queue, their processes running."""
    run = Run(count).start().subscribe().start("other", 200).subscribe(link="other").publish()
    return run.plan(CRASH)


def test_another_consumer_in_time() -> None:
    """What another replica gets within the bound was taken over."""
    run = two()
    run.deliver(1)
    run.crash(fault=0).wait(1.5 * SECOND).work(1, link="other", redelivered=True)
    assert missed(run.settled()) == []


def test_too_slow() -> None:
    """Three seconds are more than the two that were promised: message, times and fault are named."""
    run = two(2)
    run.deliver(1)
    run.crash(fault=0).work(2, link="other").wait(3 * SECOND).work(
        1, link="other", redelivered=True
    ).settled()
    (finding,) = missed(run)
    assert (finding.name, numbers(finding.messages), finding.violation) == ("failover_miss:slow", [1], True)
    assert finding.claim == (
        "was in the hands of worker when it died, and no other consumer got it within 2 s: other did after 3.0 s"
    )
    assert (finding.cause, finding.fault) == ("consumer_crash(after=delivery(1))", 0)
    assert finding.how_to_allow == 'allow=("failover_miss:slow",)'
    assert "failover_miss" not in found(run, "exactly-once")


def test_never() -> None:
    """What nobody gets at all is missed, and stalled besides."""
    run = two()
    run.deliver(1)
    run.crash(fault=0).unsettled(queue("orders", ready=1))
    assert [(one.name, numbers(one.messages)) for one in missed(run)] == [("failover_miss:never", [1])]


def test_a_run_that_was_over_too_soon() -> None:
    """Where the bound was not over when the run was, nobody can say: unknown, never pass."""
    run = two()
    run.deliver(1)
    run.crash(fault=0).census(queue("orders", ready=1), times=2)
    run.add(e.SettleEnded, settled=False, reason="the test ended")
    run.settings["settled"] = False
    (finding,) = missed(run)
    assert (finding.unknown, finding.violation, finding.mend) == (
        True,
        True,
        "give the run more time than that: settle_timeout=4",
    )


def test_the_process_that_follows_is_another_consumer() -> None:
    """A consumer that is started again in time takes over from itself, and too late it does not."""
    for seconds, count in ((1, 0), (4, 1)):
        run = two()
        run.deliver(1)
        run.crash(fault=0).wait(seconds * SECOND).start(pid=101).subscribe().work(1, redelivered=True)
        claims = [each.claim for each in missed(run.settled())]
        assert len(claims) == count
        for claim in claims:
            assert "nobody got it within 2 s: worker, started again, did after 4.0 s" in claim


def test_the_same_process_on_another_connection_is_no_death() -> None:
    """A lost connection is no death: what the process gets again is a redelivery."""
    run = two()
    run.deliver(1)
    run.lose().wait(5 * SECOND).subscribe().work(1, redelivered=True)
    assert missed(run.settled()) == []


def test_what_was_settled_is_not_held() -> None:
    """A delivery whose ack was passed on was done with; one whose ack a fault took was held."""
    for passed, count in ((True, 0), (False, 1)):
        run = two()
        hand = run.deliver(1)
        run.effect(1).ack(hand, effect_seen=True, passed=passed)
        run.crash(fault=0).wait(3 * SECOND)
        run.ack(run.deliver(1, link="other", redelivered=True), effect_seen=True)
        assert len(missed(run.settled())) == count


def test_an_earlier_delivery_was_not_held() -> None:
    """What the process had on a connection before its last one was the broker's when it died."""
    run = two(2)
    run.deliver(1)
    run.lose().subscribe().deliver(2)
    run.wait(SECOND).crash(fault=0).wait(SECOND).work(2, link="other", redelivered=True)
    run.wait(5 * SECOND).work(1, link="other", redelivered=True)
    assert missed(run.settled()) == []


def test_a_process_that_ends_by_itself_dies_too() -> None:
    """A consumer that cannot stand the loss of its connection dies with what it held."""
    run = two()
    run.deliver(1)
    run.lose().end(by="itself", exit_code=3).wait(3 * SECOND).work(1, link="other", redelivered=True)
    (finding,) = missed(run.settled())
    assert finding.cause == "worker ended by itself, with exit code 3"


def test_dead_letters_are_no_miss() -> None:
    """What a limit took out of the queue instead went another way."""
    run = two()
    run.deliver(1)
    run.crash(fault=0).wait(3 * SECOND).settled(queue("orders"), queue("orders.dead", ready=1))
    run.rest(1, "orders.dead", deaths="x", death_reason="delivery_limit", death_queue="orders")
    assert missed(run) == []


def test_the_end_of_the_run_is_no_death() -> None:
    """Consumers that the plugin ends when all is judged held nothing that anybody waits for."""
    run = two().work(1).settled().end(by="plugin")
    assert missed(run) == []


def test_the_clock_stands_still() -> None:
    """While the broker is down, or the network of the others is cut, nobody can take over."""
    run = two()
    run.deliver(1)
    run.crash(fault=0).wait(SECOND)
    run.add(e.BrokerStopped, how="restart")
    run.lose("other", by="broker").wait(5 * SECOND).add(e.BrokerStarted, how="restart")
    run.subscribe(link="other").wait(1.5 * SECOND).work(1, link="other", redelivered=True)
    assert missed(run.settled()) == []

    run = two().plan(refuse(after=delivery(1), consumer="other", duration=5.0))
    run.deliver(1)
    run.fire(1, "other").crash(fault=0).lose("other").wait(5 * SECOND).add(e.FaultHealed, fault=1)
    run.subscribe(link="other").wait(1.5 * SECOND).work(1, link="other", redelivered=True)
    assert missed(run.settled()) == []


def test_a_moment_stops_no_clock() -> None:
    """A cut of a moment, or the restart of the dead one, takes nothing of the bound."""
    both = combine(CRASH, connection_drop(after=delivery(1))).faults
    run = Run(1).start().subscribe().publish().plan(*both)
    run.deliver(1)
    run.fire(1).crash(fault=0).wait(3 * SECOND).start(pid=101).subscribe().work(1, redelivered=True)
    assert [numbers(one.messages) for one in missed(run.settled())] == [[1]]


@given(st.lists(st.floats(0.0, 1.9), min_size=1, max_size=5))
def test_what_is_taken_over_in_time_is_never_missed(gaps: list[float]) -> None:
    """However often consumers die on a message, it is no miss if the next one gets it within the bound."""
    run = Run(1).publish()
    for pid, gap in enumerate(gaps, 100):
        run.start(pid=pid).subscribe().deliver(1, redelivered=pid > 100)
        run.end(pid=pid).lose().wait(gap * SECOND)
    run.start().subscribe().work(1, redelivered=True)
    assert missed(run.settled()) == []
