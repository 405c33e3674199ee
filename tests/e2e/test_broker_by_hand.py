"""What a test does to its broker by hand, and whoever meets it while it is down."""

import time

import pytest
from consumers import correct
from e2e_kit import text

from pytest_mqchaos import broker_restart, delivery
from pytest_mqchaos.model import events as facts

COUNT = 20


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
