"""Correct consumers pass under every fault, on classic and quorum queues, without a violation."""

import contextlib
import sqlite3

import pytest
from consumers import correct
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
    seconds,
    stall,
)

both = pytest.mark.parametrize("queue_type", ["classic", "quorum"])
COUNT = 25
ALL = list(range(1, COUNT + 1))
QUICK = {"WORK": 0.005}

ANYWHERE = (
    baseline(),
    connection_drop(after=delivery(7)),
    connection_reset(after=delivery(8)),
    refuse(after=delivery(6), duration=0.3),
    consumer_crash(after=delivery(7)),
    consumer_terminate(after=delivery(6)),
    broker_restart(after=delivery(9)),
    malformed_payload(share=0.15),
    poison_message(b"\xff{", count=2),
)
AT_ACKS = (
    connection_drop(before=ack(5)),
    connection_reset(after=ack(4)),
    consumer_crash(before=ack(5)),
    consumer_crash(after=effect(6)),
    broker_restart(before=ack(6)),
    lost_ack(before=ack(5)),
    combine(connection_drop(after=delivery(4)), consumer_crash(before=ack(9))),
)
TWICE = (combine(repeated_publish(share=0.4), connection_drop(after=delivery(9))),)
OPEN = (
    stall(after=delivery(6), duration=0.4),
    black_hole(after=delivery(6), duration=0.5),
    latency(delay=0.02),
    bandwidth(20_000),
    fragment(16),
)
"""Faults that leave connections open, for a representative part of the consumers."""
OPEN_AT_ACKS = (
    stall(before=ack(5), duration=0.4),
    black_hole(before=ack(5), duration=0.5),
    combine(latency(delay=0.02), connection_drop(after=ack(5)), stall(after=delivery(4), duration=0.3)),
)
EVERY = ANYWHERE + AT_ACKS + TWICE
STANDING = (
    consumer_freeze(after=delivery(7), duration=0.4),
    broker_freeze(after=delivery(8), duration=0.5),
    broker_crash(after=delivery(9)),
    lost_confirm(before=confirm(5)),
)
STANDING_AT_ACKS = (
    consumer_freeze(before=ack(5), duration=0.4),
    broker_freeze(before=ack(6), duration=0.5),
    broker_crash(before=ack(6)),
    lost_ack(before=ack(3), every=5, times=3),
    consumer_crash(after=ack(4), every=7, times=2),
)
"""Faults for a part of the consumers only, as they take their time."""


def passes(mqchaos, *, once=False):
    """Assert that nothing is held against the consumer, and that it worked on everything."""
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert not violations(account), text(account)
    # what a restart or crash of the broker leaves without a confirm may rightly never have arrived
    assert set(numbers(account.confirmed)) & set(ALL) <= set(numbers(account.effected)), text(account)
    if not {"broker_restart", "broker_crash"} & {fault.kind for fault in mqchaos.faults}:
        # what is malformed may rightly be worked on, too
        assert [number for number in numbers(account.effected) if number <= COUNT] == ALL
    if once:
        assert not account.duplicated, text(account)
    return account


@both
@pytest.mark.chaos(*EVERY, *STANDING, *STANDING_AT_ACKS, *OPEN, *OPEN_AT_ACKS)
def test_ack_after_work(scene, mqchaos, queue_type):
    """Ack after work keeps at-least-once."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.consumer("correct", "ack_after_work", env=QUICK)
    scene.publish(count=COUNT)
    account = passes(mqchaos)
    assert set(scene.done()) == set(numbers(account.effected))


@both
@pytest.mark.chaos(*EVERY, *STANDING, *STANDING_AT_ACKS, *OPEN, *OPEN_AT_ACKS, guarantee="exactly-once")
def test_dedup_store(scene, mqchaos, queue_type):
    """A dedup store behind ack after work keeps exactly-once."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.forked(correct.dedup, env=QUICK)
    scene.publish(count=COUNT)
    passes(mqchaos, once=True)
    assert set(scene.done().values()) == {1}


@both
@pytest.mark.chaos(*EVERY, *STANDING, *OPEN, *OPEN_AT_ACKS, guarantee="exactly-once")
def test_database(scene, mqchaos, queue_type, tmp_path):
    """Rows by the order's own key are effects, and keep exactly-once."""
    path = str(tmp_path / "orders.sqlite")

    def rows(statement):
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
            return database.execute(statement).fetchall()

    rows("create table done (id text)")
    scene.queue(queue_type, dead_letter="orders.dead")
    mqchaos.effects(lambda: [key for (key,) in rows("select id from done")])
    scene.forked(correct.database, env={**QUICK, "DATABASE": path})
    scene.publish(count=COUNT, key="order", body=lambda n, _rng: {"n": n, "order": f"{path}-{n}"})
    passes(mqchaos, once=True)
    keys = rows("select id from done")
    assert len(keys) == len(set(keys))


@both
@pytest.mark.chaos(
    *ANYWHERE,
    *OPEN,
    *STANDING,
    connection_drop(before=delivery(5)),
    consumer_crash(after=effect(6)),
    guarantee="at-most-once",
    effect_timeout=1,
)
def test_automatic_ack(scene, mqchaos, queue_type):
    """Automatic ack keeps at-most-once."""
    scene.queue(queue_type)
    scene.forked(correct.auto_ack, env=QUICK)
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert not violations(account), text(account)
    assert not account.duplicated
    assert set(scene.done().values()) <= {1}


@both
@pytest.mark.chaos(*EVERY, *STANDING, *OPEN)
def test_delayed_retry(scene, mqchaos, queue_type):
    """A retry through a TTL and a dead letter back is neither a dead letter nor a redelivery."""
    retried(scene, mqchaos, queue_type, "delayed_retry")


@both
@pytest.mark.chaos(
    baseline(), connection_reset(after=delivery(5)), consumer_crash(before=ack(5)), malformed_payload()
)
def test_handed_on_after_a_delayed_retry(scene, mqchaos, queue_type):
    """What is handed on with the headers of its wait is a result and no dead letter."""
    scene.queue(queue_type, name="results")
    retried(scene, mqchaos, queue_type, "delayed_hand_on")


def retried(scene, mqchaos, queue_type, consumer):
    """Have orders wait in a queue with a TTL, and come back."""
    back = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders", "x-message-ttl": 100}
    away = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders.wait"}
    scene.queue(queue_type, name="orders.wait", arguments=back)
    scene.queue(queue_type, arguments=away)
    scene.queue(queue_type, name="orders.dead")
    mqchaos.dead_letters("orders.dead")
    scene.consumer("correct", consumer, env=QUICK)
    scene.publish(count=COUNT)
    passes(mqchaos)


@both
@pytest.mark.chaos(*EVERY, *STANDING, *OPEN, poison="dead-letter")
def test_poison_after_three_tries(scene, mqchaos, queue_type, request):
    """Three tries at once and then the dead-letter queue is a sound design."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.forked(correct.three_tries, env=QUICK)
    scene.publish(count=COUNT)
    account = passes(mqchaos)
    poison = {"malformed_payload": 4, "poison_message": 2}.get(mqchaos.scenario.split("-")[0], 0)
    assert numbers(account.dead_lettered) == list(range(COUNT + 1, COUNT + 1 + poison)), text(account)


@both
@pytest.mark.chaos(*EVERY, *OPEN)
def test_slow_handler(scene, mqchaos, queue_type):
    """A slow handler with everything in its prefetch is slow, not stuck."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.forked(correct.ack_after_work, env={"WORK": 0.05, "PREFETCH": 50})
    scene.publish(count=COUNT)
    passes(mqchaos)


@both
@pytest.mark.chaos(*EVERY, *STANDING_AT_ACKS, *OPEN, *OPEN_AT_ACKS)
def test_prefetch_one(scene, mqchaos, queue_type):
    """One message at a time."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.forked(correct.ack_after_work, env={**QUICK, "PREFETCH": 1})
    scene.publish(count=COUNT)
    passes(mqchaos)


@both
@pytest.mark.chaos(
    *EVERY,
    *OPEN,
    *STANDING_AT_ACKS,
    consumer_crash(after=seconds(0.05), consumer="worker#2"),
    consumer_terminate(after=delivery(9), consumer="worker#1"),
)
def test_two_replicas(scene, mqchaos, queue_type):
    """Two replicas share a queue; one of them is killed."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.forked(correct.ack_after_work, replicas=2, env={"WORK": 0.01, "PREFETCH": 5})
    scene.publish(count=COUNT)
    passes(mqchaos)


@both
@pytest.mark.chaos(*EVERY, *STANDING_AT_ACKS, *OPEN, *OPEN_AT_ACKS)
def test_batched_acks(scene, mqchaos, queue_type):
    """One ack for many, every ten messages or 0.2 s."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.forked(correct.batched, env={**QUICK, "PREFETCH": 20})
    scene.publish(count=COUNT)
    passes(mqchaos)


@both
@pytest.mark.chaos(*EVERY, *STANDING, *OPEN)
def test_drains(scene, mqchaos, queue_type, request):
    """What a consumer hands back on SIGTERM is explained."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.forked(correct.drains, env=QUICK)
    scene.publish(count=COUNT)
    passes(mqchaos)
    if "terminate" in request.node.name:
        assert scene.diary("drained") == [""]


@both
@pytest.mark.chaos(*EVERY, *STANDING, *OPEN)
def test_supervised(scene, mqchaos, queue_type):
    """A consumer that ends with its connection is started again by its supervisor."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.forked(correct.ack_after_work_once, env=QUICK, restart="always", restart_delay=0.1)
    scene.publish(count=COUNT)
    passes(mqchaos)


@both
@pytest.mark.chaos(*EVERY, *STANDING, *OPEN, guarantee="exactly-once")
def test_supervised_with_dedup(scene, mqchaos, queue_type):
    """A dedup store keeps exactly-once over starts of the process too."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.consumer("correct", "dedup", env=QUICK, restart="always")
    scene.publish(count=COUNT)
    passes(mqchaos, once=True)
