"""Bugs that only a network shows which leaves connections open: each is caught, each sound design passes."""

import pytest
from consumers import correct
from e2e_kit import COUNT, finding, numbers, text, violations

from pytest_mqchaos import ack, bandwidth, baseline, black_hole, delivery, fragment, latency, stall

both = pytest.mark.parametrize("queue_type", ["classic", "quorum"])
ALL = set(range(1, COUNT + 1))


@both
@pytest.mark.chaos(black_hole(before=ack(5), duration=0.6), guarantee="exactly-once", allow="*")
def test_acks_in_a_black_hole(scene, mqchaos, queue_type):
    """Acks that are swallowed double the work that was done for them, beginning with the fifth."""
    scene.queue(queue_type)
    scene.consumer("wrong", "not_idempotent", env={"PREFETCH": 4, "WORK": 0.02})
    scene.publish()
    account = mqchaos.settle()
    twice = sorted(n for n, times in scene.done().items() if times > 1)
    assert 5 in twice
    assert numbers(account.duplicated) == twice, text(account)
    assert violations(account) == {"duplicated"}, text(account)
    assert "black_hole" in str(finding(account, "duplicated").cause), text(account)


@both
@pytest.mark.chaos(black_hole(after=delivery(5), duration=0.6), allow="*", effect_timeout=1)
def test_automatic_ack_in_a_black_hole(scene, mqchaos, queue_type):
    """What the broker forgot at delivery, and a black hole swallowed, is lost, to the message."""
    scene.queue(queue_type)
    scene.consumer("wrong", "auto_ack")
    scene.publish()
    account = mqchaos.settle()
    lost = ALL - set(scene.done())
    assert len(lost) >= 15, "the broker sends all that it has to who needs not ack"
    assert set(numbers(account.lost)) == lost, text(account)
    assert violations(account) == {"lost"}, text(account)
    assert finding(account, "lost").detail == "in_transit"
    assert "black_hole" in str(finding(account, "lost").cause), text(account)


@both
@pytest.mark.parametrize("consumer", ["hangs_after_loss", "mute_after_reconnect"])
@pytest.mark.chaos(black_hole(after=ack(5), duration=0.5), allow="*", settle_timeout=2)
def test_silent_after_a_black_hole(scene, mqchaos, queue_type, consumer):
    """Who notices the reset at the end of a black hole and does not consume again leaves the rest."""
    scene.queue(queue_type)
    scene.consumer("wrong", consumer, env={"PREFETCH": 1})
    scene.publish()
    account = mqchaos.settle()
    stalled = numbers(account.stalled)
    assert stalled in (list(range(6, COUNT + 1)), list(range(7, COUNT + 1))), text(account)
    assert violations(account) == {"stalled"}, text(account)


@pytest.mark.chaos(stall(before=ack(5), duration=6.0), guarantee="exactly-once", allow="*")
def test_a_stall_over_the_heartbeat(scene, mqchaos):
    """The broker gives up a client that is stalled for longer than heartbeats allow: its work is done again."""
    scene.queue("quorum")
    scene.consumer("wrong", "impatient", env={"PREFETCH": 4, "WORK": 0.02})
    scene.publish()
    account = mqchaos.settle()
    twice = sorted(n for n, times in scene.done().items() if times > 1)
    assert 5 in twice, text(account)
    assert numbers(account.duplicated) == twice, text(account)
    assert violations(account) == {"duplicated"}, text(account)


@pytest.mark.chaos(stall(before=ack(5), duration=6.0), guarantee="exactly-once")
def test_a_stall_over_the_heartbeat_with_dedup(scene, mqchaos):
    """The same with a dedup store keeps exactly-once."""
    scene.queue("quorum")
    scene.forked(lambda url: correct.dedup(f"{url}?heartbeat=1"), env={"PREFETCH": 4})
    scene.publish()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert len(scene.diary("connected")) >= 2
    assert set(scene.done().values()) == {1}


@both
@pytest.mark.chaos(
    latency(delay=0.25, after=ack(5)),
    bandwidth(300, after=ack(5)),
    stall(after=ack(5), duration=1.0),
    allow="*",
    settle_timeout=2,
)
def test_slow_taken_for_empty(scene, mqchaos, queue_type):
    """A consumer that takes a slow network for an empty queue leaves the rest of it."""
    scene.queue(queue_type)
    scene.consumer("wrong", "leaves_when_idle", env={"PREFETCH": 1})
    scene.publish()
    account = mqchaos.settle()
    assert scene.diary("idle") == [""]
    assert not account.lost, text(account)
    assert violations(account) <= {"stalled", "unacknowledged"}, text(account)
    left = set(numbers(account.stalled)) | set(numbers(account.unacknowledged))
    assert left == ALL - set(scene.done()), text(account)
    assert account.verdict == "fail"


@both
@pytest.mark.chaos(baseline(), fragment(8, after=ack(5)), allow="*", settle_timeout=2)
def test_reads_taken_for_frames(scene, mqchaos, queue_type, request):
    """A consumer that takes a read for whole frames works on a good day, and understands nothing of fragments."""
    scene.queue(queue_type)
    scene.consumer("wrong", "reads_whole_frames", env={"PREFETCH": 3})
    scene.publish()
    account = mqchaos.settle()
    if "baseline" in request.node.name:
        assert account.verdict == "pass", text(account)
        return
    assert scene.diary("cut")
    assert violations(account) == {"stalled", "unacknowledged"}, text(account)
    left = set(numbers(account.stalled)) | set(numbers(account.unacknowledged))
    assert left <= ALL - set(scene.done()), text(account)
    assert account.verdict == "fail"
