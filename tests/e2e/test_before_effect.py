"""`before=effect(n)`: the work is done but for its effect, which waits until the fault has struck."""

import time

import pytest
from consumers import correct
from e2e_kit import finding, numbers, text, violations

from pytest_mqchaos import (
    baseline,
    broker_restart,
    connection_drop,
    connection_reset,
    consumer_crash,
    consumer_freeze,
    consumer_terminate,
    effect,
    lost_ack,
    refuse,
)
from pytest_mqchaos.model import events as facts

both = pytest.mark.parametrize("queue_type", ["classic", "quorum"])
COUNT = 20
ALL = set(range(1, COUNT + 1))
PROBE = {"WORK": 0.005, "PROBE": 1}


@both
@pytest.mark.parametrize("prefetch", [1, 10])
@pytest.mark.chaos(
    consumer_crash(before=effect(5)),
    consumer_crash(before=effect(message=5)),
    consumer_crash(before=effect(3), times=2, every=4),
    guarantee="exactly-once",
)
def test_a_crash_before_an_effect(scene, mqchaos, queue_type, prefetch):
    """The work was begun and its effect is not there: it is begun again, and stands there once."""
    scene.queue(queue_type)
    scene.consumer("correct", "ack_after_work", env={**PROBE, "PREFETCH": prefetch})
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert account.faults[0].strikes == mqchaos.faults[0].times
    assert set(scene.done().values()) == {1}
    begun = numbers(scene.diary("begin"))
    twice = {5} if mqchaos.faults[0].times == 1 else {3, 7}
    assert {n for n in begun if begun.count(n) == 2} == twice
    assert numbers([account.faults[0].message])[0] in twice


@both
@pytest.mark.parametrize("prefetch", [1, 10])
@pytest.mark.chaos(consumer_crash(before=effect(5)), allow="*")
def test_an_ack_before_the_work(scene, mqchaos, queue_type, prefetch):
    """Its ack is with the broker, its effect never comes: that message is lost, and no other that was worked on."""
    scene.queue(queue_type)
    scene.consumer("wrong", "ack_first", env={**PROBE, "PREFETCH": prefetch})
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert numbers(account.lost) == [5], text(account)
    assert violations(account) == {"lost"}, text(account)
    assert "consumer_crash" in finding(account, "lost").cause, text(account)
    assert set(scene.done()) == ALL - {5}


@pytest.mark.chaos(consumer_crash(before=effect(5)), allow="*")
def test_automatic_ack(scene, mqchaos):
    """All that was delivered and not worked on is lost, to the message: four were done, and not one more."""
    scene.queue("classic")
    scene.consumer("wrong", "auto_ack", env=PROBE)
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    done = set(scene.done())
    assert {1, 2, 3, 4} <= done
    assert 5 not in done
    assert numbers(account.lost) == sorted(ALL - done), text(account)


@both
@pytest.mark.chaos(
    connection_drop(before=effect(5)),
    connection_reset(before=effect(5)),
    refuse(before=effect(5), duration=0.2),
    consumer_terminate(before=effect(5)),
    consumer_freeze(before=effect(5), duration=0.3),
    broker_restart(before=effect(5)),
    connection_drop(before=effect(3, delay=0.05)),
    connection_drop(before=effect()),
)
def test_what_does_not_end_the_work_lets_it_go_on(scene, mqchaos, queue_type):
    """The effect is written once the fault is in force, and a correct consumer stays correct."""
    scene.queue(queue_type)
    scene.forked(correct.ack_after_work, env=PROBE)
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert account.faults[0].fired
    if "delay" not in mqchaos.scenario:
        history = list(mqchaos.history)
        (struck,) = [index for index, event in enumerate(history) if isinstance(event, facts.FaultFired)]
        assert not [
            event
            for event in history[:struck]
            if isinstance(event, facts.Effected) and event.message == account.faults[0].message
        ]
    assert set(numbers(account.confirmed)) <= set(numbers(account.effected))


@pytest.mark.chaos(lost_ack(before=effect(5)), guarantee="exactly-once", allow="*")
def test_a_lost_ack_before_an_effect(scene, mqchaos):
    """The first ack after it is lost: that of its own message, at prefetch 1."""
    scene.queue("classic")
    scene.consumer("wrong", "not_idempotent", env={**PROBE, "PREFETCH": 1})
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert numbers(account.duplicated) == [5], text(account)


@pytest.mark.chaos(consumer_crash(before=effect(9), consumer="worker#2"))
def test_of_two_replicas(scene, mqchaos):
    """Effects are counted over both, and the one that is named is killed."""
    scene.queue("classic")
    consumer = scene.consumer("correct", "ack_after_work", replicas=2, env={**PROBE, "PREFETCH": 1})
    first, second = consumer.pids
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert first in consumer.pids
    assert second not in consumer.pids


@pytest.mark.chaos(baseline())
def test_by_hand(scene, mqchaos):
    """Armed while work goes on; when its block is left nobody asks any more."""
    scene.queue("classic")
    scene.forked(correct.ack_after_work, env={**PROBE, "WORK": 0.02})
    scene.publish(count=COUNT)
    mqchaos.wait(effect(3))
    with mqchaos.inject(connection_drop(before=effect(10))) as handle:
        mqchaos.wait(effect(11))
        assert handle.fired
    started = time.monotonic()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert time.monotonic() - started < 10
    assert numbers([account.faults[0].message]) == [10]


@both
@pytest.mark.chaos(consumer_crash(before=effect(5), process="child"), guarantee="exactly-once")
def test_the_child_that_is_about_to(scene, mqchaos, queue_type):
    """Of several children the one dies whose effect it was to be, not the oldest: its message is begun again."""
    scene.queue(queue_type)
    consumer = scene.consumer("pools", "puts_back", env={**PROBE, "PREFETCH": 1})
    first = consumer.pids
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    begun = numbers(scene.diary("begin"))
    assert {n for n in begun if begun.count(n) == 2} == {5}
    assert consumer.pids == first


@pytest.mark.chaos(consumer_crash(before=effect(5), process="child"), allow="*", effect_timeout=0.5)
def test_a_child_that_is_acked_though_it_died(scene, mqchaos):
    """Its message is lost, and no other; the account knows why."""
    scene.queue("classic")
    scene.consumer("pools", "acks_lost_child", env={**PROBE, "PREFETCH": 1})
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert numbers(account.lost) == [5], text(account)
    assert violations(account) == {"lost"}, text(account)
    assert "consumer_crash" in finding(account, "lost").cause, text(account)
