"""What waits by itself, and what no count can judge: delays of a message's own, and streams."""

import pytest
from consumers import correct, wrong
from e2e_kit import finding, numbers, text

from pytest_mqchaos import baseline, connection_drop, delivery

both = pytest.mark.parametrize("queue_type", ["classic", "quorum"])
COUNT = 10
ALL = list(range(1, COUNT + 1))
QUICK = {"WORK": 0.005}
BACK = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders"}


@both
@pytest.mark.chaos(baseline(), connection_drop(after=delivery(4)), settle_timeout=1)
def test_published_with_a_delay(scene, mqchaos, queue_type):
    """Messages that wait longer than the settle time-out, by an expiration of their own, are waited for."""
    scene.queue(queue_type)
    scene.queue(queue_type, "orders.delay", arguments=BACK)
    scene.forked(correct.ack_after_work, env=QUICK)
    scene.publish("orders.delay", count=COUNT, properties={"expiration": 2500})
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert numbers(account.effected) == ALL


@both
@pytest.mark.chaos(baseline(), allow="*", settle_timeout=1)
def test_a_delay_that_never_ends(scene, mqchaos, queue_type):
    """Without an expiration nothing drives them out, and nobody reads that queue: stalled."""
    scene.queue(queue_type)
    scene.queue(queue_type, "orders.delay", arguments=BACK)
    scene.forked(correct.ack_after_work, env=QUICK)
    scene.publish("orders.delay", count=COUNT)
    account = mqchaos.settle()
    assert finding(account, "stalled").detail == "nobody_consumes", text(account)
    assert numbers(account.stalled) == ALL


@both
@pytest.mark.chaos(baseline(), allow="*", settle_timeout=1)
def test_expired_before_it_was_read(scene, mqchaos, queue_type):
    """A message whose own time was over is lost by policy, not by the broker."""
    scene.queue(queue_type)
    scene.forked(correct.ack_after_work, env={"WORK": 0.2, "PREFETCH": 1})
    scene.publish(count=5, properties={"expiration": 100})
    account = mqchaos.settle()
    assert account.lost, text(account)
    assert {each.detail for each in account.findings if each.kind == "lost"} == {"by_policy"}, text(account)
    assert "its own expiration of 0.1 s" in finding(account, "lost").claim


@both
@pytest.mark.chaos(baseline(), settle_timeout=1)
def test_kept_in_hand_for_later(scene, mqchaos, queue_type):
    """What a consumer keeps for longer than the settle time-out before it works on it, as it said, is waited for."""
    scene.queue(queue_type)
    scene.forked(correct.ack_after_work, env={"WORK": 2.5}, holds=3)
    scene.publish(count=1)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert numbers(account.effected) == [1]


@pytest.mark.chaos(baseline(), allow="*", settle_timeout=1)
def test_kept_in_hand_for_no_reason(scene, mqchaos):
    """Without a word of it, it hangs; and the account says which word that would be."""
    scene.queue("classic")
    scene.forked(correct.ack_after_work, env={"WORK": 30})
    scene.publish(count=1)
    account = mqchaos.settle()
    assert finding(account, "unacknowledged").detail == "hung", text(account)
    assert "consumer(holds=seconds)" in finding(account, "unacknowledged").mend
    assert account.timings["settle"] < 4


@pytest.fixture
def stream(mqchaos):
    """A stream of orders."""
    mqchaos.queue("orders", arguments={"x-queue-type": "stream"})


@pytest.mark.chaos(baseline(), connection_drop(after=delivery(4)), settle_timeout=5)
def test_a_stream_whose_work_shows(scene, mqchaos, stream):
    """All its effects are there: a pass, and the stream is named as not judged further."""
    scene.forked(correct.stream, env=QUICK)
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert finding(account, "stalled").detail == "stream"
    assert account.timings["settle"] < 4
    assert not account.stalled
    assert not account.lost


@pytest.mark.chaos(connection_drop(after=delivery(4)), allow="*", settle_timeout=2)
def test_a_stream_that_is_not_read_to_its_end(scene, mqchaos, stream):
    """Nothing is wrong for sure: unknown, never a pass and never a loss."""
    scene.forked(wrong.stream_hangs_after_loss, env=QUICK)
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert account.verdict == "unknown", text(account)
    assert not account.violations, text(account)
