"""A handler that does not notice that its link is lost works on, while others do its work too."""

import time

import pytest
from consumers import correct, wrong
from e2e_kit import finding, numbers, text, violations

from pytest_mqchaos import ack, baseline, connection_drop, connection_reset

both = pytest.mark.parametrize("queue_type", ["classic", "quorum"])
COUNT = 5
QUICK = {"WORK": 0.005}


@pytest.fixture
def taken_over(scene, mqchaos, queue_type):
    """A slow consumer has the first message in its hands when its link is cut, and a quick one takes over."""

    def play(slow=wrong.not_idempotent, quick=wrong.not_idempotent, *, work=1.5, cut=connection_drop):
        scene.queue(queue_type)
        scene.forked(slow, name="slow", diary="slow", env={"WORK": work, "PREFETCH": 1})
        scene.publish(count=COUNT)
        until = time.monotonic() + 10
        while not scene.diary("begin", "slow") and time.monotonic() < until:
            time.sleep(0.01)
        mqchaos.inject(cut(consumer="slow"))
        scene.forked(quick, name="quick", diary="quick", env=QUICK)
        mqchaos.wait(ack(COUNT))

    return play


@both
@pytest.mark.parametrize("cut", [connection_drop, connection_reset])
@pytest.mark.chaos(baseline(), guarantee="exactly-once", allow="*")
def test_work_that_is_done_late_is_done_twice(scene, mqchaos, taken_over, queue_type, cut):
    """All looks settled long before the slow handler is through: its work is the second one all the same."""
    taken_over(cut=cut)
    account = mqchaos.settle()
    assert scene.done("slow") == {1: 1}
    assert numbers(account.duplicated) == [1], text(account)
    assert finding(account, "duplicated").detail == "by_redelivery"
    assert violations(account) == {"duplicated"}, text(account)


@both
@pytest.mark.chaos(baseline(), guarantee="exactly-once", allow="*", settle_timeout=1)
def test_hands_that_never_come_back(mqchaos, taken_over, queue_type):
    """While it is at work nobody can say that nothing is done twice; once it was ended, all can be said."""
    taken_over(work=60)
    account = mqchaos.settle()
    assert account.verdict == "unknown", text(account)
    assert finding(account, "duplicated").name == "duplicated:not_back"
    assert "slow lost its connection with deliveries in hand" in finding(account, "duplicated").claim


@both
@pytest.mark.chaos(baseline(), settle_timeout=5)
def test_nobody_waits_for_it_where_work_may_be_done_twice(scene, mqchaos, taken_over, queue_type):
    """Under at-least-once the run is over when every message has its work."""
    taken_over(work=60)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert account.timings["settle"] < 2.5
    assert scene.done("slow") == {}


@both
@pytest.mark.chaos(baseline(), guarantee="exactly-once")
def test_correct_hands_come_back(scene, mqchaos, taken_over, queue_type):
    """A consumer that reconnects at once, with nothing done twice, keeps exactly-once."""
    taken_over(slow=correct.gives_up_at_once)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert scene.done("slow") + scene.done("quick") == dict.fromkeys(range(1, COUNT + 1), 1)
    assert len(scene.diary("connected", "slow")) == 2
