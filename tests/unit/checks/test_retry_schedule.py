"""Retry schedule: attempts too early, too late, too many, too few, and what excuses them."""

from __future__ import annotations

import pytest
from check_builders import SECOND, Hand, Run, findings, found, numbers, queue
from hypothesis import given
from hypothesis import strategies as st

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.faults import connection_drop
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.guarantees import at_least_once
from pytest_mqchaos.model.refinements import retry
from pytest_mqchaos.model.retries import Policy, exponential, fixed, jittered, linear
from pytest_mqchaos.model.triggers import delivery


def schedule(run: Run, policy: Policy, attempts: int | None = None) -> list[Finding]:
    """Return what was found about the retries."""
    promise = at_least_once + retry(policy, attempts=attempts)
    return [one for one in findings(run, promise) if one.kind == "retry_schedule"]


def names(run: Run, policy: Policy, attempts: int | None = None) -> dict[str, list[int]]:
    """Return names of findings to numbers of messages, information in parentheses."""
    return {
        one.name if one.violation else f"({one.name})": numbers(one.messages)
        for one in schedule(run, policy, attempts)
    }


def tries(run: Run, *delays: float, number: int = 1, how: str = "letter", last: str = "work") -> Run:
    """Let a message fail, once before each delay (seconds), and be worked on, or `reject`ed, in the end."""
    deaths = 0
    for delay in delays:
        hand = run.deliver(number, deaths=f"d{deaths}" if deaths else None, redelivered=how == "requeue")
        deaths = _fail(run, hand, number, how, delay, deaths)
    hand = run.deliver(number, deaths=f"d{deaths}" if deaths else None)
    if last == "reject":
        return run.nack(hand, requeue=False)
    return run.effect(number).ack(hand, effect_seen=True)


def _fail(run: Run, hand: Hand, number: int, how: str, delay: float, deaths: int) -> int:
    if how == "requeue":
        run.wait(delay * SECOND).nack(hand)
        return deaths
    if how == "publish":
        run.republish(number, "orders.wait", expiration=f"{delay * 1000:.0f}")
        run.ack(hand).wait(delay * SECOND)
        return deaths + 1
    run.nack(hand, requeue=False).wait(delay * SECOND)
    return deaths + 1


def done(run: Run, **fields: object) -> Run:
    """Deliver the first message once more, and have it worked on."""
    hand = run.deliver(1, **fields)
    return run.effect(1).ack(hand, effect_seen=True)


WAYS = pytest.mark.parametrize("how", ["requeue", "letter", "publish"])


@WAYS
def test_as_promised(how: str) -> None:
    """A delay by sleeping, by a dead letter that expires, or by a copy that waits is kept."""
    run = tries(Run(1).subscribe().publish(), 1.0, 2.0, 4.0, how=how).settled()
    assert names(run, exponential(1), 4) == {}


@WAYS
def test_too_early(how: str) -> None:
    """The second delay is that of the first: message, times and policy are named."""
    run = tries(Run(2).subscribe().publish().work(2), 1.0, 1.0, how=how).settled()
    (finding,) = schedule(run, linear(1))
    assert (finding.name, numbers(finding.messages), finding.violation) == ("retry_schedule:early", [1], True)
    assert finding.claim.startswith("was tried again sooner than the 2 s that `linear(1)` says: after 1.0")
    assert finding.cause == "worker does not wait long enough"
    assert finding.how_to_allow == 'allow=("retry_schedule:early",)'
    assert "retry_schedule" not in found(run, "exactly-once")


@pytest.mark.parametrize("how", ["letter", "publish"])
def test_too_late(how: str) -> None:
    """A free consumer that waits three seconds for what was due after one: late."""
    run = tries(Run(1).subscribe().publish(), 3.0, how=how).settled()
    (finding,) = schedule(run, fixed(1))
    assert (finding.name, numbers(finding.messages)) == ("retry_schedule:late", [1])
    assert finding.cause == "a consumer of `orders` was free, and it did not come"


def test_behind_others_is_not_late() -> None:
    """What comes back behind a backlog, or to a consumer that has its hands full, waits for them."""
    run = Run(8).subscribe(prefetch=1).publish()
    run.nack(run.deliver(1), requeue=False)
    for number in range(2, 9):
        hand = run.deliver(number)
        run.wait(SECOND).effect(number).ack(hand, effect_seen=True)
    assert names(done(run, deaths="d1").settled(), fixed(1)) == {}


def test_the_tolerance_grows_with_the_delay_of_this_run() -> None:
    """Where fresh messages take a second to a free consumer, or our own clockwork came late, so may an attempt."""
    slow = Run(2).subscribe().publish(1).wait(SECOND)
    slow.work(1).publish(2)
    assert names(tries(slow, 2.9, number=2).settled(), fixed(1)) == {}
    busy = Run(2).subscribe().publish(1).work(1).publish(2)
    busy.add(e.Lagged, seconds=1.2)
    assert names(tries(busy, 2.9, number=2).settled(), fixed(1)) == {}
    quick = Run(2).subscribe().publish(1).work(1).publish(2)
    assert names(tries(quick, 2.9, number=2).settled(), fixed(1)) == {"retry_schedule:late": [2]}


def test_nobody_there_or_a_fault_is_not_late() -> None:
    """While nobody reads the queue, the broker is down, or a fault strikes, lateness is nobody's."""
    away = Run(1).subscribe().publish()
    away.nack(away.deliver(1), requeue=False)
    away.lose().wait(5 * SECOND).subscribe()
    assert names(done(away, deaths="d1").settled(), fixed(1)) == {}
    struck = Run(1).subscribe().publish().plan(connection_drop(after=delivery(1)))
    struck.nack(struck.deliver(1), requeue=False).fire()
    assert names(done(struck.wait(5 * SECOND), deaths="d1").settled(), fixed(1)) == {}
    alone = Run(1).subscribe().publish()
    alone.nack(alone.deliver(1), requeue=False).wait(5 * SECOND)
    assert names(done(alone, deaths="d1").settled(), fixed(1)) == {"retry_schedule:late": [1]}


def test_a_single_active_consumer_is_not_told_from_the_waiting_one() -> None:
    """Of two subscriptions to such a queue one is served: while its hands are full nobody is free."""
    one_active = queue("orders", arguments={"x-single-active-consumer": True})
    for state, result in ((one_active, {}), (queue("orders"), {"retry_schedule:late": [1]})):
        run = Run(2).subscribe(prefetch=1).subscribe(link="other", prefetch=1).publish()
        run.nack(run.deliver(1), requeue=False)
        hand = run.deliver(2)
        run.wait(5 * SECOND).effect(2).ack(hand, effect_seen=True)
        done(run, deaths="d1")
        assert names(run.settled(state), fixed(1)) == result


def test_too_many() -> None:
    """Four attempts where three were promised."""
    run = tries(Run(1).subscribe().publish(), 1.0, 1.0, 1.0).settled()
    (finding,) = schedule(run, fixed(1), 3)
    assert (finding.name, numbers(finding.messages)) == ("retry_schedule:too_many", [1])
    assert names(run, fixed(1), 4) == names(run, fixed(1)) == {}


def test_too_few() -> None:
    """Given up after two attempts of three, a good message or a bad one."""
    for good, poison in ((1, 0), (0, 1)):
        run = tries(Run(good, poison=poison).subscribe().publish(), 1.0, last="reject")
        run.settled(queue("orders"), queue("dead", ready=1)).rest(
            1, "dead", deaths="d2", death_reason="rejected"
        )
        assert names(run, fixed(1), 3) == {"retry_schedule:too_few": [1]}
        assert names(run, fixed(1), 2) == {}


def test_refused_at_once() -> None:
    """What cannot be processed may be refused at its first attempt; a good message may not."""
    for good, poison, result in (
        (0, 1, {"(retry_schedule:too_few)": [1]}),
        (1, 0, {"retry_schedule:too_few": [1]}),
    ):
        run = tries(Run(good, poison=poison).subscribe().publish(), last="reject").settled()
        assert names(run, fixed(1), 3) == result


def test_what_a_fault_ends_is_no_attempt() -> None:
    """A lost connection neither counts as an attempt, nor has a delay; a count in memory may begin anew."""
    run = Run(1).subscribe().publish()
    run.nack(run.deliver(1), requeue=False).wait(SECOND)
    run.deliver(1, deaths="d1")
    run.lose().subscribe()
    run.nack(run.deliver(1, deaths="d1", redelivered=True), requeue=False).wait(SECOND)
    run.nack(run.deliver(1, deaths="d2"), requeue=False).wait(2 * SECOND)
    assert names(done(run, deaths="d3").settled(), linear(1), 3) == {}


def test_a_message_published_twice_has_no_schedule() -> None:
    """Two of the same in the queue come when they come."""
    run = Run(1).subscribe().publish(1).publish(1)
    run.nack(run.deliver(1), requeue=False)
    run.effect(1).ack(run.deliver(1), effect_seen=True).wait(SECOND).ack(
        run.deliver(1, deaths="d1")
    ).settled()
    assert names(run, fixed(1)) == {}


def test_two_of_the_same_are_tried_each() -> None:
    """A copy that was published again, and the ack of its message lost: both are tried, and neither too often."""
    run = Run(1).subscribe().publish()
    for deaths in (None, "d1"):
        hand = run.deliver(1, deaths=deaths)
        run.republish(1, "orders.wait").ack(hand, passed=deaths is not None)
        if deaths is None:
            run.lose().subscribe()
            run.republish(1, "orders.wait").ack(run.deliver(1, redelivered=True))
        run.wait(SECOND)
    assert names(done(run, deaths="d2").settled(), fixed(1), 2) == {}


def test_what_was_lost_on_its_way_back_was_not_given_up() -> None:
    """A dead letter that should have come back, and did not, is lost, and not tried too rarely."""
    run = Run(1).subscribe().publish()
    run.nack(run.deliver(1), requeue=False)
    wait = queue("wait", dead_letter_exchange="", dead_letter_routing_key="orders", message_ttl=1.0)
    run.bind("", "direct", ("wait", "wait"), ("orders", "orders"))
    run.settled(queue("orders", dead_letter_exchange="", dead_letter_routing_key="wait"), wait)
    assert names(run, fixed(1), 3) == {}
    assert "lost:by_broker" in found(run)


POLICIES = st.one_of(
    st.builds(fixed, st.floats(0, 3)),
    st.builds(linear, st.floats(0, 2)),
    st.builds(exponential, st.floats(0, 2), st.floats(1, 3), st.floats(0, 9)),
)


@given(
    policy=POLICIES,
    jitter=st.booleans(),
    shares=st.lists(st.floats(0, 1), min_size=1, max_size=5),
    delay=st.floats(0, 2),
    how=st.sampled_from(["requeue", "letter", "publish"]),
)
def test_the_policy_and_the_delay_of_the_run_are_never_a_violation(
    policy: Policy, jitter: bool, shares: list[float], delay: float, how: str
) -> None:
    """Attempts by the policy, each later by no more than fresh messages are in the same run, keep it."""
    if jitter:
        policy = jittered(policy)
    run = Run(2).subscribe().publish(2).wait(delay * SECOND).work(2).publish(1)
    delays = []
    for failures, share in enumerate(shares, 1):
        low, high = policy.delay(failures)
        delays.append(low + share * (high - low) + share * delay)
    assert names(tries(run, *delays, how=how).settled(), policy, len(delays) + 1) == {}


def test_to_hand_on_is_no_failed_attempt() -> None:
    """Each stage of a pipeline has attempts of its own; what a stage hands on to the next one is done there."""
    run = Run(1).subscribe().subscribe("invoices", link="billing").publish()
    hand = run.deliver(1)
    run.republish(1, "invoices").ack(hand, effect_seen=False)
    run.work(1, link="billing", queue_name="invoices").settled(queue("orders"), queue("invoices"))
    assert names(run, fixed(1.0), attempts=3) == {}


def test_attempts_of_each_stage_are_judged() -> None:
    """The second stage that tries again too soon is named, though the first one handed on at once."""
    run = Run(1).subscribe().subscribe("invoices", link="billing").publish()
    hand = run.deliver(1)
    run.republish(1, "invoices").ack(hand, effect_seen=False)
    run.nack(run.deliver(1, "invoices", link="billing"))
    run.work(1, link="billing", queue_name="invoices", redelivered=True)
    run.settled(queue("orders"), queue("invoices"))
    assert names(run, fixed(5.0), attempts=3) == {"retry_schedule:early": [1]}
