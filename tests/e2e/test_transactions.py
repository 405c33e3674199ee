"""Transactions on the wire: an ack counts when it is committed, and every fault knows."""

import pytest
from consumers import correct
from e2e_kit import finding, numbers, text, violations

from pytest_mqchaos import (
    ack,
    baseline,
    broker_crash,
    broker_restart,
    connection_drop,
    connection_reset,
    consumer_crash,
    consumer_freeze,
    delivery,
    effect,
    lost_ack,
)

both = pytest.mark.parametrize("queue_type", ["classic", "quorum"])
COUNT = 20
ALL = list(range(1, COUNT + 1))
QUICK = {"WORK": 0.005}


@both
@pytest.mark.chaos(
    baseline(),
    connection_drop(after=delivery(7)),
    connection_drop(before=ack(5)),
    connection_reset(after=ack(6)),
    consumer_crash(after=ack(5)),
    consumer_crash(before=ack(5)),
    consumer_crash(after=effect(6)),
    consumer_freeze(after=ack(5), duration=0.3),
    lost_ack(before=ack(5)),
    lost_ack(after=delivery(4)),
    broker_restart(after=ack(6)),
    broker_crash(after=ack(6)),
)
def test_commits_and_rollbacks(scene, mqchaos, queue_type):
    """Acks in transactions, some of them rolled back and given back, keep at-least-once under every fault."""
    scene.queue(queue_type)
    scene.forked(correct.transactional, env={**QUICK, "PREFETCH": 4})
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert not violations(account), text(account)
    assert set(numbers(account.confirmed)) <= set(numbers(account.effected)), text(account)


@both
@pytest.mark.chaos(
    consumer_crash(after=ack(4)),
    consumer_crash(before=ack(4)),
    lost_ack(before=ack(4)),
    lost_ack(after=ack(3)),
    connection_reset(after=ack(4)),
    guarantee="exactly-once",
    allow="*",
)
def test_what_was_not_committed_comes_back(scene, mqchaos, queue_type):
    """Its ack has reached the broker, its commit has not: the fourth comes again, and no other."""
    scene.queue(queue_type)
    scene.forked(correct.commits_each, env={**QUICK, "PREFETCH": 1})
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    twice = sorted(number for number, times in scene.done().items() if times > 1)
    assert numbers(account.duplicated) == twice == [4], text(account)
    assert numbers(account.redelivered) == [4], text(account)
    assert violations(account) == {"duplicated"}, text(account)
    assert mqchaos.faults[0].kind in finding(account, "duplicated").cause, text(account)


@both
@pytest.mark.chaos(baseline(), allow="*", settle_timeout=1)
def test_a_commit_that_is_forgotten(scene, mqchaos, queue_type):
    """What was settled and never committed is unacknowledged, to the message, and the cause is named."""
    scene.queue(queue_type)
    scene.consumer("wrong", "never_commits", env={**QUICK, "PREFETCH": 30})
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert numbers(account.unacknowledged) == list(range(10, COUNT + 1)), text(account)
    found = finding(account, "unacknowledged")
    assert found.detail == "leaked"
    assert "never committed" in found.claim


@both
@pytest.mark.chaos(consumer_crash(after=ack(15)), guarantee="exactly-once", allow="*", settle_timeout=1)
def test_a_crash_undoes_all_that_was_not_committed(scene, mqchaos, queue_type):
    """Six acks stood in the transaction that died with its consumer: these six are worked on twice."""
    scene.queue(queue_type)
    scene.consumer("wrong", "never_commits", env={**QUICK, "PREFETCH": 6})
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    twice = sorted(number for number, times in scene.done().items() if times > 1)
    assert numbers(account.duplicated) == twice == list(range(10, 16)), text(account)
    assert "consumer_crash" in finding(account, "duplicated").cause, text(account)
