"""Frozen consumers, brokers that are killed or frozen, lost confirms: what is felt of them, and what they reveal."""

import sqlite3

import pytest
from consumers import correct
from e2e_kit import finding, numbers, text, violations

from pytest_mqchaos import (
    DeliveryError,
    ack,
    baseline,
    black_hole,
    broker_crash,
    broker_freeze,
    broker_restart,
    combine,
    confirm,
    connection_drop,
    connection_reset,
    consumer_crash,
    consumer_freeze,
    consumer_terminate,
    delivery,
    effect,
    lost_ack,
    lost_confirm,
    publish,
    refuse,
    seconds,
)
from pytest_mqchaos.model import events as facts

both = pytest.mark.parametrize("queue_type", ["classic", "quorum"])
COUNT = 20
ALL = list(range(1, COUNT + 1))
QUICK = {"WORK": 0.005}


def places(mqchaos, kind, **wanted):
    """Return where in the history events of a kind stand, those with these attributes."""
    return [
        index
        for index, event in enumerate(mqchaos.history)
        if isinstance(event, kind) and all(getattr(event, name) == value for name, value in wanted.items())
    ]


def notes(mqchaos):
    """Return what was noted in the history."""
    return [event.text for event in mqchaos.history if isinstance(event, facts.Noted)]


# --- a consumer that stands still ---


@both
@pytest.mark.chaos(
    consumer_freeze(after=delivery(5), duration=0.5),
    consumer_freeze(before=ack(5), duration=0.5),
    consumer_freeze(after=ack(5), duration=0.5),
    consumer_freeze(after=effect(5), duration=0.5),
)
def test_a_frozen_consumer_stands_and_goes_on(scene, mqchaos, queue_type):
    """It says nothing while it stands, keeps its connection, and X has arrived by the time it goes on."""
    scene.queue(queue_type)
    scene.forked(correct.ack_after_work, env=QUICK)
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert scene.diary("lost") == []
    assert len(scene.diary("connected")) == 1
    (frozen,), (thawed,) = places(mqchaos, facts.ConsumerFrozen), places(mqchaos, facts.ConsumerThawed)
    stood = mqchaos.history[thawed].at - mqchaos.history[frozen].at
    assert stood >= 0.5e9
    acked = places(mqchaos, facts.Acked)
    if "before-ack" in mqchaos.scenario:  # X goes on once the freeze is in force, and nothing behind it
        assert len([at for at in acked if frozen - 1 <= at < thawed]) <= 1
        assert mqchaos.history[[at for at in acked if mqchaos.history[at].passed][4]].message.endswith("5")
    else:  # the settlement behind an effect may be on its way when the consumer is stopped
        assert len([at for at in acked if frozen < at < thawed]) <= ("effect" in mqchaos.scenario)
    assert set(scene.done().values()) == {1}


@both
@pytest.mark.chaos(
    consumer_freeze(after=delivery(3, delay=0.3), duration=5), guarantee="exactly-once", allow="*"
)
def test_a_pause_in_the_middle_of_work(scene, mqchaos, queue_type):
    """The broker gives up on who stands still, another one does its work, and it wakes and does it again."""
    scene.queue(queue_type)
    env = {"WORK": 0.6, "PREFETCH": 1, "HEARTBEAT": 1}
    scene.consumer("wrong", "not_idempotent", replicas=2, env=env)
    scene.publish(count=6)
    account = mqchaos.settle()
    twice = sorted(number for number, times in scene.done().items() if times > 1)
    assert twice, "the broker did not give up on it: nothing was tested"
    assert numbers(account.duplicated) == twice, text(account)
    assert violations(account) == {"duplicated"}, text(account)
    assert "consumer_freeze" in str(finding(account, "duplicated").cause), text(account)
    assert account.verdict == "fail"


@pytest.mark.chaos(consumer_freeze(after=delivery(3, delay=0.3), duration=5), guarantee="exactly-once")
def test_a_pause_that_a_common_store_survives(scene, mqchaos, tmp_path):
    """Who asks a store that all replicas share keeps exactly-once, however long it stood."""
    path = tmp_path / "store.sqlite"
    with sqlite3.connect(path) as store:
        store.execute("create table done (id integer)")
    scene.queue("classic")
    env = {"WORK": 0.6, "PREFETCH": 1, "HEARTBEAT": 1, "DATABASE": path}
    scene.forked(correct.dedup_in_common, replicas=2, env=env)
    scene.publish(count=6)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert scene.diary("lost"), "the broker did not give up on it: nothing was tested"
    assert set(scene.done().values()) == {1}


@pytest.mark.chaos(baseline(), allow="*", settle_timeout=1)
def test_a_consumer_left_frozen_by_hand(scene, mqchaos):
    """What it holds is a zombie's: the broker counts it alive."""
    scene.queue("classic")
    consumer = scene.forked(correct.ack_after_work, env={"WORK": 0.02, "PREFETCH": 4})
    scene.publish(count=COUNT)
    mqchaos.wait(ack(5))
    consumer.freeze()
    account = mqchaos.settle()
    found = finding(account, "unacknowledged")
    assert (found.detail, found.cause) == ("zombie", "worker is frozen"), text(account)
    assert len(account.unacknowledged) == 4, text(account)
    consumer.thaw()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)


# --- a broker that is killed ---


@both
@pytest.mark.chaos(broker_crash(after=delivery(9)), broker_crash(before=ack(9)))
def test_a_crash_of_the_broker(scene, mqchaos, queue_type):
    """It is killed and comes back with what was persistent, and its queues were old enough to be there."""
    scene.queue(queue_type)
    scene.forked(correct.ack_after_work, env=QUICK)
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert set(numbers(account.confirmed)) <= set(scene.done())
    assert len(scene.diary("connected")) == 2
    assert [mqchaos.history[at].how for at in places(mqchaos, facts.BrokerStopped)] == ["crash"]
    (waited,) = [note for note in notes(mqchaos) if "waited" in note]
    assert waited.startswith(f"{account.faults[0].description}: waited "), waited
    assert "may lose a queue younger than 3 s" in waited
    assert waited in str(account.notes)


@both
@pytest.mark.chaos(broker_crash(after=ack(12)), guarantee="exactly-once", allow="*")
def test_what_a_killed_broker_forgets(scene, mqchaos, queue_type):
    """Acks that come to nothing double work that is not idempotent: the broker's doing, and nothing illegal."""
    scene.queue(queue_type)
    scene.consumer("wrong", "not_idempotent", env=QUICK)
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    twice = sorted(number for number, times in scene.done().items() if times > 1)
    assert numbers(account.duplicated) == twice, text(account)
    assert violations(account) <= {"duplicated"}, text(account)
    assert not account.illegal_transition, text(account)
    found = [each for each in account.findings if each.kind == "duplicated"]
    assert {each.detail for each in found} <= {"by_broker", "by_redelivery"}
    assert all("broker_crash" in each.cause for each in found), text(account)


@pytest.mark.chaos(broker_crash(after=ack(5)), allow="*")
def test_what_was_not_persistent(scene, mqchaos):
    """Transient messages die with the broker, each by name, and by their declaration."""
    scene.queue("classic")
    scene.consumer("wrong", "not_idempotent", env={"WORK": 0.02, "PREFETCH": 1})
    scene.publish(count=COUNT, persistent=False)
    account = mqchaos.settle()
    gone = sorted(set(numbers(account.confirmed)) - set(scene.done()))
    assert len(gone) >= 10
    assert numbers(account.persistence_loss) == gone, text(account)
    found = finding(account, "persistence_loss")
    assert found.detail == "by_declaration"
    assert "broker_crash" in str(found.cause)


# --- a broker that stands still ---


@both
@pytest.mark.chaos(broker_freeze(after=ack(5), duration=0.6), broker_freeze(before=ack(5), duration=0.6))
def test_a_frozen_broker_stands_and_goes_on(scene, mqchaos, queue_type):
    """Nobody is cut, nothing is delivered meanwhile, and all of it arrives afterwards."""
    scene.queue(queue_type)
    scene.forked(correct.ack_after_work, env={"WORK": 0.02, "PREFETCH": 2})
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert scene.diary("lost") == []
    (stopped,), (started,) = places(mqchaos, facts.BrokerStopped), places(mqchaos, facts.BrokerStarted)
    assert mqchaos.history[started].at - mqchaos.history[stopped].at >= 0.6e9
    assert set(scene.done().values()) == {1}


@both
@pytest.mark.chaos(broker_freeze(after=ack(5), duration=1.5), allow="*")
def test_silence_is_not_the_end(scene, mqchaos, queue_type):
    """A consumer that takes a silent broker for a finished one leaves the rest behind, to the message."""
    scene.queue(queue_type)
    scene.consumer("wrong", "stops_when_idle", env={"WORK": 0.02, "PREFETCH": 1})
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    left = sorted(set(ALL) - set(scene.done()))
    assert len(left) >= 10
    assert numbers(account.stalled) == left, text(account)
    assert violations(account) == {"stalled"}, text(account)
    assert "worker" in finding(account, "stalled").cause
    assert "exit code 0" in finding(account, "stalled").cause, text(account)


# --- a confirm that never arrives ---


@both
@pytest.mark.chaos(
    lost_confirm(before=confirm(5)),
    lost_confirm(after=confirm(4)),
    lost_confirm(after=publish(5)),
    lost_confirm(after=ack(1)),
    lost_confirm(),
    guarantee="exactly-once",
)
def test_a_lost_confirm(scene, mqchaos, queue_type):
    """The message is there and its publisher was not told: neither lost, nor sent again, nor called confirmed."""
    scene.queue(queue_type)
    scene.forked(correct.dedup, env=QUICK)
    scene.publish(count=COUNT, rate=40)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    (fault,) = account.faults
    assert (fault.target, fault.actor, fault.fired) == ("publisher", "wire", True)
    assert fault.message not in [life.id for life in account.confirmed]
    assert set(numbers(account.effected)) >= {*numbers([fault.message]), *numbers(account.confirmed)}
    assert "the publisher was not told" in str(account.explain(fault.message))
    assert scene.diary("lost") == []
    assert set(scene.done().values()) == {1}


# --- who is gone, and what overlaps ---


@pytest.mark.xfail(
    raises=DeliveryError, reason="a fault that changed nothing fails the test: that is what is tested"
)
@pytest.mark.chaos(baseline(), allow="*", settle_timeout=1)
def test_a_freeze_that_finds_nobody(scene, mqchaos):
    """A consumer that has ended for good cannot stand still: the run says that this fault tested nothing."""
    scene.queue("classic")
    consumer = scene.forked(correct.ack_after_work, env=QUICK, restart="never")
    scene.publish(count=COUNT)
    mqchaos.wait(ack(3))
    consumer.crash()
    mqchaos.inject(consumer_freeze(duration=0.1))
    account = mqchaos.settle()
    claim = finding(account, "vacuous").claim
    assert claim.startswith("consumer_freeze(duration=0.1) changed nothing"), claim
    assert account.failed


@pytest.mark.chaos(
    combine(consumer_freeze(after=delivery(4), duration=0.5), consumer_crash(after=seconds(0.3))),
    combine(
        consumer_freeze(after=delivery(4), duration=0.3), consumer_freeze(after=seconds(0.1), duration=0.6)
    ),
    combine(consumer_freeze(after=delivery(4), duration=0.5), connection_drop(after=seconds(0.2))),
    combine(consumer_freeze(after=delivery(4), duration=0.5), broker_restart(after=seconds(0.2))),
    combine(consumer_freeze(after=delivery(4), duration=0.5), consumer_terminate(after=seconds(0.3))),
    combine(consumer_freeze(after=delivery(4)), consumer_crash(before=ack(6))),
    combine(black_hole(before=delivery(10), duration=0.5), consumer_terminate(after=ack(7))),
    combine(broker_freeze(after=delivery(4), duration=3), broker_restart(after=seconds(0.3))),
    combine(broker_freeze(after=delivery(4), duration=3), broker_crash(after=seconds(0.3))),
    combine(broker_freeze(after=delivery(4), duration=0.3), broker_freeze(after=seconds(0.2), duration=0.5)),
    combine(broker_freeze(after=delivery(4), duration=0.5), consumer_crash(after=seconds(0.2))),
    combine(broker_freeze(after=delivery(4), duration=0.5), refuse(after=seconds(0.1), duration=0.2)),
    combine(broker_crash(after=delivery(4)), broker_restart(after=seconds(0.2))),
    combine(lost_confirm(before=confirm(5)), consumer_freeze(after=delivery(4), duration=0.3)),
)
def test_faults_that_overlap(scene, mqchaos):
    """Each strikes, none undoes the other, and a correct consumer stays correct."""
    scene.queue("classic")
    scene.forked(correct.ack_after_work, env={"WORK": 0.03, "PREFETCH": 3})
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert all(fault.fired for fault in account.faults), account.faults
    assert set(numbers(account.confirmed)) <= set(numbers(account.effected))


@pytest.mark.chaos(baseline(), own_broker=True)
def test_a_block_that_is_left_early(scene, mqchaos):
    """Leaving the block is the end of the freeze, of a consumer's and of the broker's."""
    scene.queue("classic")
    scene.forked(correct.ack_after_work, env={"WORK": 0.02})
    scene.publish(count=COUNT)
    mqchaos.wait(ack(3))
    with mqchaos.inject(consumer_freeze(duration=60)) as frozen:
        assert frozen.fired
    with mqchaos.inject(broker_freeze(duration=60)) as frozen:
        assert frozen.fired
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert account.timings["settle"] < 20
    assert set(scene.done().values()) == {1}


@pytest.mark.xfail(
    raises=ZeroDivisionError, reason="the test's own failure, after which the broker is to be whole"
)
@pytest.mark.chaos(broker_freeze(after=ack(2), duration=60))
def test_a_test_that_fails_while_its_broker_is_frozen(scene, mqchaos):
    """The next test finds the broker as it should be."""
    scene.queue("classic")
    scene.forked(correct.ack_after_work, env=QUICK)
    scene.publish(count=COUNT)
    mqchaos.wait(ack(2))
    raise ZeroDivisionError


@pytest.mark.chaos(baseline())
def test_the_next_test(scene, mqchaos):
    """Its broker goes on."""
    scene.queue("classic")
    scene.forked(correct.ack_after_work, env=QUICK)
    scene.publish(count=3)
    assert mqchaos.settle().verdict == "pass"


# --- more than once ---


@both
@pytest.mark.chaos(
    connection_drop(after=delivery(5), every=10, times=3),
    connection_reset(before=ack(2), every=3, times=4),
    consumer_crash(after=ack(2), every=4, times=3),
    consumer_freeze(after=delivery(2), every=5, times=3, duration=0.2),
    consumer_terminate(after=delivery(3), every=6, times=2),
    refuse(after=delivery(3), every=4, times=2, duration=0.2),
    broker_restart(after=ack(3), every=6, times=2),
    broker_freeze(after=seconds(0.1), every=0.4, times=2, duration=0.2),
    lost_ack(before=ack(2), every=4, times=3),
    connection_drop(times=3),
)
def test_faults_that_strike_more_than_once(scene, mqchaos, queue_type):
    """As often as was said, at the moments that were said, and a correct consumer stays correct."""
    scene.queue(queue_type)
    scene.forked(correct.ack_after_work, env={"WORK": 0.02, "PREFETCH": 1})
    scene.publish(count=30, rate=150)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    (fault,) = mqchaos.faults
    (record,) = account.faults
    fired = [event for event in mqchaos.history if isinstance(event, facts.FaultFired)]
    assert record.strikes == len(fired) == fault.times
    if fault.trigger is not None and fault.trigger.kind != "seconds":
        wanted = [int(fault.trigger.n + nth * fault.every) for nth in range(fault.times)]
        assert [event.trigger.partition(" ")[0] for event in fired] == [
            f"{fault.trigger.kind}({number})" for number in wanted
        ]
    assert not [note for note in account.notes if "struck" in note]


@pytest.mark.chaos(connection_drop(after=delivery(15), every=10, times=3))
def test_a_fault_that_strikes_less_often(scene, mqchaos):
    """It tested something, and the account says how far it got."""
    scene.queue("classic")
    scene.forked(correct.ack_after_work, env={"WORK": 0.02, "PREFETCH": 1})
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert f"{mqchaos.faults[0]}: struck 1 of 3 times" in account.notes


@pytest.mark.chaos(lost_ack(before=ack(5), every=5, times=2), guarantee="exactly-once", allow="*")
def test_each_lost_ack_doubles_its_own(scene, mqchaos):
    """At prefetch 1 it is exactly these messages that are worked on twice."""
    scene.queue("classic")
    scene.consumer("wrong", "not_idempotent", env={"PREFETCH": 1})
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    twice = sorted(number for number, times in scene.done().items() if times > 1)
    # the fifth comes again as the sixth delivery: the tenth ack is that of the ninth message
    assert numbers(account.duplicated) == twice == [5, 9], text(account)
