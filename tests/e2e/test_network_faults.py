"""Stalled, swallowed, late, slow, in pieces: what the client feels, and when."""

import pytest
from consumers import correct
from e2e_kit import numbers, text

from pytest_mqchaos import (
    ChaosError,
    DeliveryError,
    ack,
    bandwidth,
    baseline,
    black_hole,
    combine,
    connection_drop,
    connection_reset,
    consumer_crash,
    delivery,
    fragment,
    latency,
    publish,
    refuse,
    seconds,
    stall,
)
from pytest_mqchaos.model import events as facts

COUNT = 20
ALL = list(range(1, COUNT + 1))
QUICK = {"WORK": 0.005, "PREFETCH": 3}


@pytest.fixture
def orders(scene, mqchaos):
    """A correct consumer of a queue, and the orders for it."""
    scene.queue("classic", dead_letter="orders.dead")

    def start(consumer=correct.ack_after_work, env=None, **options):
        started = scene.forked(consumer, env={**QUICK, **(env or {})}, **options)
        scene.publish(count=COUNT)
        return started

    return start


def kept(mqchaos):
    """Return the account of a run in which everything was kept, nothing twice."""
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert numbers(account.effected) == ALL, text(account)
    return account


def struck(account, how_many=1):
    """Return the faults that fired, and assert how many."""
    fired = [fault for fault in account.faults if fault.fired]
    assert len(fired) == how_many, account.faults
    return fired


def when(mqchaos, kind, **wanted):
    """Return the moments of a kind of event, in seconds."""
    return [
        event.at / 1e9
        for event in mqchaos.history
        if isinstance(event, kind) and all(getattr(event, name) == value for name, value in wanted.items())
    ]


@pytest.mark.chaos(stall(after=delivery(5), duration=0.6), stall(before=ack(5), duration=0.6))
def test_a_stall_loses_no_byte(scene, mqchaos, orders):
    """Nothing passes while it lasts, then all of it does, on the same connection."""
    orders()
    account = kept(mqchaos)
    struck(account)
    assert scene.diary("lost") == []
    assert len(scene.diary("connected")) == 1
    assert not account.redelivered
    (began,), (ended,) = when(mqchaos, facts.FaultFired), when(mqchaos, facts.FaultHealed)
    assert ended - began >= 0.6
    passed = when(mqchaos, facts.Delivered, passed=True) + when(mqchaos, facts.Processed)
    # what is let go is let go just before the heal is written down
    assert not [at for at in passed if began + 0.05 < at < began + 0.59], (began, ended, passed)


@pytest.mark.chaos(black_hole(after=delivery(5), duration=0.7), black_hole(before=ack(4), duration=0.7))
def test_a_black_hole_swallows(scene, mqchaos, orders):
    """Nothing arrives and nothing is closed until the heal, when the connection is reset."""
    orders()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    struck(account)
    (lost,) = scene.diary("lost")
    assert "ConnectionReset" in lost or "ECONNRESET" in lost or "reset" in lost.lower(), lost
    (began,), (ended,) = when(mqchaos, facts.FaultFired), when(mqchaos, facts.FaultHealed)
    (gone,) = when(mqchaos, facts.LinkLost, by="fault")
    assert gone - began >= 0.69
    assert gone <= ended
    assert not [at for at in when(mqchaos, facts.Delivered, passed=True) if began < at < gone]


@pytest.mark.chaos(latency(delay=0.05), latency(delay=0.05, jitter=0.02), latency(delay=0.0505))
def test_latency_lasts_the_whole_run(scene, mqchaos, orders):
    """Without a moment it is there before the consumer connects, in both directions, until all is settled."""
    orders()
    account = kept(mqchaos)
    struck(account)
    (began,), (ended,) = when(mqchaos, facts.FaultFired), when(mqchaos, facts.FaultHealed)
    assert began < min(when(mqchaos, facts.LinkOpened, link="worker"))
    assert ended > max(when(mqchaos, facts.Effected))
    first = dict(zip(ALL, when(mqchaos, facts.Delivered), strict=False))
    # with three in hand the fourth is sent for the first ack: there and back again
    assert first[4] - first[1] >= 0.08, first


@pytest.mark.chaos(bandwidth(3000), bandwidth(2900), fragment(7))
def test_slow_and_in_pieces(scene, mqchaos, orders):
    """A slow line and one that cuts up what it carries keep everything."""
    orders()
    account = kept(mqchaos)
    struck(account)
    assert scene.diary("lost") == []
    assert len(scene.diary("connected")) == 1


@pytest.mark.chaos(
    combine(latency(delay=0.02), stall(after=delivery(4), duration=0.3), connection_drop(after=ack(9))),
    combine(stall(after=delivery(4), duration=0.4), stall(after=seconds(0.1), duration=0.6)),
    combine(black_hole(after=delivery(4), duration=0.5), black_hole(after=seconds(0.1), duration=0.9)),
    combine(stall(after=delivery(4), duration=0.8), connection_drop(after=seconds(0.3))),
    combine(black_hole(after=delivery(4), duration=0.8), connection_reset(after=seconds(0.4))),
    combine(refuse(after=delivery(4), duration=0.4), black_hole(after=seconds(0.1), duration=0.7)),
    combine(black_hole(after=delivery(4), duration=0.5), consumer_crash(after=seconds(0.2))),
    combine(fragment(5), bandwidth(20_000), latency(delay=0.01), refuse(after=ack(7), duration=0.2)),
    combine(black_hole(before=publish(7), duration=0.4), stall(after=delivery(2), duration=0.4)),
)
def test_they_overlap(scene, mqchaos, orders):
    """Faults that overlap are all in force, all healed, and a correct consumer keeps everything."""
    orders()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert set(numbers(account.confirmed)) <= set(scene.done())
    struck(account, len(account.faults))
    assert len(when(mqchaos, facts.FaultHealed)) >= 1


@pytest.mark.chaos(baseline(), allow="duplicated")
def test_by_hand(scene, mqchaos, orders):
    """By hand they strike at once; a block that is left early heals, and so does the handle, twice too."""
    orders(env={"WORK": 0.15})  # far from done before the stall, also on a busy machine
    with mqchaos.inject(latency(delay=0.02)) as slow, mqchaos.inject(stall(duration=60)) as still:
        assert slow.fired
        assert still.fired
        done = len(scene.diary("done"))
        with pytest.raises(ChaosError, match=r"not within 0\.3 s"):
            mqchaos.wait(ack(COUNT), timeout=0.3)
        assert len(scene.diary("done")) <= done + 3, "what it had in hand, and no more"
    hole = mqchaos.inject(black_hole(duration=60))
    hole.heal()
    hole.heal()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert set(scene.done()) == set(ALL)
    assert len(when(mqchaos, facts.FaultHealed)) == 3


@pytest.mark.chaos(latency(delay=0.15, consumer="slow"))
def test_on_one_consumer_alone(scene, mqchaos):
    """A fault from the start on a consumer that is named is felt by each of its replicas, and by no other."""
    scene.queue("classic", dead_letter="orders.dead")
    scene.queue("classic", name="other")
    scene.forked(correct.ack_after_work, name="quick", env={**QUICK, "QUEUE": "other"})
    scene.forked(correct.ack_after_work, name="slow", replicas=2, env={**QUICK, "PREFETCH": 1})
    scene.publish("other", count=10)
    scene.publish(count=4)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    targets = [event.target for event in mqchaos.history if isinstance(event, facts.FaultFired)]
    assert targets == ["slow", "slow#2"]
    acked = {name: when(mqchaos, facts.Acked, link=name) for name in ("quick", "slow")}
    assert acked["quick"][-1] < acked["slow"][-1]


@pytest.mark.chaos(stall(after=delivery(COUNT, delay=2.5)), black_hole(after=delivery(COUNT, delay=2.5)))
@pytest.mark.xfail(strict=True, raises=DeliveryError, reason="it changes nothing: that is what is tested")
def test_nobody_is_left(scene, mqchaos, orders):
    """A fault that meets a consumer that has gone, and will not come again, is vacuous."""
    consumer = orders(restart="never")
    mqchaos.wait(ack(COUNT))
    consumer.terminate()
    mqchaos.wait(seconds(2.6))
    account = mqchaos.settle()
    assert [finding.kind for finding in account.findings] == ["vacuous"], text(account)
    assert "felt nothing" in str(account.findings[0].claim)


@pytest.mark.chaos(
    stall(before=publish(9), duration=0.3),
    black_hole(after=publish(9), duration=0.3),
    latency(before=publish(9), delay=0.02),
    bandwidth(50_000, after=publish(9)),
)
def test_on_our_publisher(scene, mqchaos, orders):
    """What strikes at a publish strikes the publisher's link: nothing that was confirmed is lost."""
    orders()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert scene.diary("lost") == []
    assert [fault.target for fault in struck(account)] == ["publisher"]
    assert set(numbers(account.confirmed)) <= set(scene.done())


@pytest.mark.chaos(latency(delay=0.02), stall(after=delivery(3), duration=0.3))
def test_more_work_after_a_settle(scene, mqchaos, orders):
    """A run that has settled goes on without what it was healed of."""
    orders()
    kept(mqchaos)
    scene.publish(count=5)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert len(account.effected) == COUNT + 5


@pytest.mark.chaos(bandwidth(60, after=ack(3)), settle_timeout=1.0)
def test_slow_is_not_stuck(scene, mqchaos, orders):
    """A line on which nothing seems to progress is healed, and what comes then is what is judged."""
    orders()
    kept(mqchaos)


@pytest.mark.chaos(latency(delay=0.3, duration=0.5, after=delivery(2)))
def test_latency_for_a_while(scene, mqchaos, orders):
    """With a duration it ends by itself."""
    orders(env={"WORK": 0.03, "PREFETCH": 1})
    kept(mqchaos)
    (began,), (ended,) = when(mqchaos, facts.FaultFired), when(mqchaos, facts.FaultHealed)
    assert 0.5 <= ended - began < 5.0
    assert ended < when(mqchaos, facts.Acked)[-1]
