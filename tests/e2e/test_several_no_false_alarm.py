"""Correct consumers of a fan-out, with several channels or connections, pass under every fault there is."""

import collections
import contextlib
import sqlite3

import pytest
from consumers import several
from e2e_kit import numbers, text, violations

from pytest_mqchaos import (
    ack,
    bandwidth,
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
    fragment,
    latency,
    lost_ack,
    lost_confirm,
    malformed_payload,
    poison_message,
    refuse,
    repeated_publish,
    stall,
)

COUNT = 20
ALL = list(range(1, COUNT + 1))
QUICK = {"WORK": 0.005, "PREFETCH": 4}

EVERY = (
    baseline(),
    connection_drop(after=delivery(7)),
    connection_drop(before=ack(5)),
    connection_reset(after=ack(4)),
    refuse(after=delivery(6), duration=0.3),
    stall(before=ack(5), duration=0.4),
    black_hole(before=ack(5), duration=0.5),
    latency(delay=0.02),
    bandwidth(20_000),
    fragment(16),
    consumer_crash(before=ack(5)),
    consumer_crash(after=ack(6)),
    consumer_crash(after=effect(6)),
    consumer_terminate(after=delivery(6)),
    consumer_freeze(before=ack(5), duration=0.4),
    broker_restart(before=ack(6)),
    broker_crash(before=ack(6)),
    broker_freeze(before=ack(6), duration=0.5),
    malformed_payload(share=0.15),
    poison_message(b"\xff{", count=2),
    repeated_publish(share=0.4),
    lost_ack(before=ack(5)),
    lost_ack(before=ack(3), every=5, times=3),
    lost_confirm(before=confirm(5)),
    combine(
        repeated_publish(share=0.4), stall(after=delivery(4), duration=0.3), connection_drop(after=ack(9))
    ),
)
both = pytest.mark.parametrize("queue_type", ["classic", "quorum"])
faults = pytest.mark.chaos(*EVERY)
SHAPES = (several.channels, several.connections)
shapes = pytest.mark.parametrize("target", SHAPES, ids=lambda target: target.__name__)
any_shape = pytest.mark.parametrize(
    "target", [several.one_channel, *SHAPES], ids=lambda target: target.__name__
)
EXACTLY_ONCE = "exactly-once"


@pytest.fixture
def store(mqchaos, tmp_path):
    """A database whose rows are effects, one for each queue's message; the path is for the consumer."""
    path = str(tmp_path / "done.sqlite")

    def rows(statement):
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
            return database.execute(statement).fetchall()

    rows("create table done (queue text, id text, unique (queue, id))")
    mqchaos.effects(lambda: [identity for (identity,) in rows("select id from done")])
    return path, lambda: rows("select queue, id from done")


def fan_out(scene, mqchaos, queue_type):
    """Declare an exchange with two queues, which dead-letter to one."""
    mqchaos.exchange("sales", "fanout")
    for name in ("orders", "bills"):
        scene.queue(queue_type, name=name, exchange="sales", routing_key="", dead_letter="orders.dead")


def sell(scene):
    """Publish orders to both queues, each of which works on all of them."""
    scene.publish(None, count=COUNT, exchange="sales", expect=lambda message: 2)


def passes(mqchaos):
    """Assert that nothing is held against the consumers, and that they worked on all that was confirmed."""
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert not violations(account), text(account)
    effected = set(numbers(account.effected))
    assert set(numbers(account.confirmed)) & set(ALL) <= effected, text(account)
    if not {"broker_restart", "broker_crash", "lost_confirm"} & {fault.kind for fault in mqchaos.faults}:
        assert set(ALL) <= effected, text(account)
    return account


def worked(scene, *diaries):
    """Return how often each good message was worked on."""
    done = collections.Counter()
    for diary in diaries:
        done += scene.done(diary)
    return {number: times for number, times in done.items() if number <= COUNT}


@both
@faults
def test_fan_out(scene, mqchaos, queue_type):
    """Two consumers with a queue each: every message is worked on by both."""
    fan_out(scene, mqchaos, queue_type)
    scene.forked(several.one_channel, env={**QUICK, "QUEUES": "orders"}, diary="one")
    scene.forked(several.one_channel, env={**QUICK, "QUEUES": "bills"}, diary="two", name="biller")
    sell(scene)
    account = passes(mqchaos)
    confirmed = set(numbers(account.confirmed)) & set(ALL)
    assert confirmed <= worked(scene, "one").keys()
    assert confirmed <= worked(scene, "two").keys()


@both
@faults
@any_shape
def test_fan_out_to_one_consumer(scene, mqchaos, queue_type, target):
    """One consumer of both queues works twice on each message: on one channel, on two, or on two connections."""
    fan_out(scene, mqchaos, queue_type)
    scene.forked(target, env={**QUICK, "QUEUES": "orders,bills"}, queues=["orders", "bills"])
    sell(scene)
    account = passes(mqchaos)
    done = worked(scene, "diary")
    assert not [n for n in set(numbers(account.confirmed)) & set(ALL) if done[n] < 2], done


@both
@faults
@shapes
def test_one_queue_read_twice(scene, mqchaos, queue_type, target):
    """Two subscriptions to one queue, of one consumer, share its messages."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.forked(target, env={**QUICK, "QUEUES": "orders,orders"})
    scene.publish(count=COUNT)
    passes(mqchaos)


@both
@pytest.mark.chaos(*EVERY, guarantee=EXACTLY_ONCE)
def test_fan_out_with_a_store(scene, mqchaos, queue_type, store):
    """Two consumers that keep what they did, a queue each: two effects for every message, and no third."""
    path, rows = store
    fan_out(scene, mqchaos, queue_type)
    scene.forked(several.one_channel, env={**QUICK, "QUEUES": "orders", "DEDUP": path})
    scene.forked(several.one_channel, env={**QUICK, "QUEUES": "bills", "DEDUP": path}, name="biller")
    sell(scene)
    account = passes(mqchaos)
    assert not account.duplicated, text(account)
    done = collections.Counter(numbers(identity for _, identity in rows()))
    assert not [n for n in set(numbers(account.confirmed)) & set(ALL) if done[n] != 2], done


@both
@any_shape
@pytest.mark.chaos(*EVERY, guarantee=EXACTLY_ONCE)
def test_fan_out_to_one_consumer_with_a_store(scene, mqchaos, queue_type, target, store):
    """One consumer of both queues that keeps what it did has two effects for every message, and no third."""
    path, rows = store
    fan_out(scene, mqchaos, queue_type)
    env = {**QUICK, "QUEUES": "orders,bills", "DEDUP": path}
    scene.forked(target, env=env, queues=["orders", "bills"])
    sell(scene)
    account = passes(mqchaos)
    assert not account.duplicated, text(account)
    assert len(rows()) == len(set(rows()))


@both
@shapes
@pytest.mark.chaos(*EVERY, guarantee=EXACTLY_ONCE)
def test_one_queue_read_twice_with_a_store(scene, mqchaos, queue_type, target, store):
    """Two subscriptions to one queue with one store have one effect for every message."""
    path, _ = store
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.forked(target, env={**QUICK, "QUEUES": "orders,orders", "DEDUP": path})
    scene.publish(count=COUNT)
    account = passes(mqchaos)
    assert not account.duplicated, text(account)
