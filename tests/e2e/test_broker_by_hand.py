"""What a test does to its broker by hand, and whoever meets it while it is down."""

import time

import pytest
from consumers import correct
from e2e_kit import text

from pytest_mqchaos import ack, baseline, broker_restart, delivery
from pytest_mqchaos.model import events as facts

COUNT = 20

pytestmark = pytest.mark.chaos(own_broker=True)


def await_fact(mqchaos, kind, timeout=10.0):
    """Wait until there is an event of a kind, and return the last one."""
    deadline = time.monotonic() + timeout
    with mqchaos.history.changed:
        while not (found := [event for event in mqchaos.history if isinstance(event, kind)]):
            left = deadline - time.monotonic()
            assert left > 0, f"no {kind.__name__}"
            mqchaos.history.changed.wait(left)
    return found[-1]


@pytest.mark.chaos(broker_restart(after=delivery(5)))
def test_a_consumer_that_starts_while_the_broker_restarts(scene, mqchaos):
    """Its link is new, and refuses like the others: it is not accepted and cut; then it consumes."""
    scene.queue("classic")
    scene.forked(correct.ack_after_work, env={"WORK": 0.02})
    scene.publish(count=COUNT)
    await_fact(mqchaos, facts.BrokerStopped)
    scene.forked(correct.ack_after_work, name="late", diary="late")
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    lost = scene.diary("lost", "late")
    assert lost, "the broker was back before the second consumer came: nothing was tested"
    assert all("ConnectionRefused" in error for error in lost), lost
    assert len(scene.diary("connected", "late")) == 1


@pytest.mark.chaos(baseline())
@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_a_crash_by_hand(scene, mqchaos, queue_type):
    """The broker is killed and comes back at its address with what was persistent; nobody is accepted and cut."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.forked(correct.ack_after_work, env={"WORK": 0.02})
    scene.publish(count=COUNT)
    mqchaos.wait(ack(5))
    version = mqchaos.broker.version
    mqchaos.broker.crash()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert mqchaos.broker.version == version
    assert [event.how for event in mqchaos.history if isinstance(event, facts.BrokerStopped)] == ["crash"]
    lost = scene.diary("lost")
    assert all("ConnectionRefused" in error for error in lost[1:]), lost
    assert len(scene.diary("connected")) == 2
    waited = [e.text for e in mqchaos.history if isinstance(e, facts.Noted) and "waited" in e.text]
    assert len(waited) == 1
    assert "s old, and a broker that is killed may lose a queue younger than 3 s" in waited[0]


@pytest.mark.chaos(baseline())
def test_a_freeze_by_hand(scene, mqchaos):
    """Nothing moves and nobody is cut while the broker stands still; then all of it goes on."""
    scene.queue("classic")
    scene.forked(correct.ack_after_work, env={"WORK": 0.02, "PREFETCH": 2})
    scene.publish(count=COUNT)
    mqchaos.wait(ack(5))
    mqchaos.broker.freeze()
    time.sleep(0.3)
    done = len(scene.done())
    time.sleep(0.3)
    assert len(scene.done()) == done < COUNT
    mqchaos.broker.thaw()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert scene.diary("lost") == []
    assert len(scene.diary("connected")) == 1


@pytest.mark.chaos(baseline())
def test_a_broker_that_was_left_frozen(scene, mqchaos):
    """Settling heals everything, a frozen broker too."""
    scene.queue("classic")
    scene.forked(correct.ack_after_work, env={"WORK": 0.02})
    scene.publish(count=COUNT)
    mqchaos.wait(ack(5))
    mqchaos.broker.freeze()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert [fault.kind for fault in account.faults if fault.fired] == ["broker_freeze"]


@pytest.mark.xfail(
    raises=ZeroDivisionError, reason="the test's own failure, after which the broker is to be whole"
)
@pytest.mark.chaos(baseline())
def test_a_test_that_fails_with_its_broker_frozen(scene, mqchaos):
    """The next test finds the broker as it should be."""
    scene.queue("classic")
    mqchaos.broker.freeze()
    raise ZeroDivisionError


@pytest.mark.chaos(baseline())
def test_the_next_test(scene, mqchaos):
    """Its broker goes on."""
    scene.queue("classic")
    scene.forked(correct.ack_after_work)
    scene.publish(count=3)
    assert mqchaos.settle().verdict == "pass"
