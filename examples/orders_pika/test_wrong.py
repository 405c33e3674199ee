"""Each wrong worker passes an ordinary test. Here the fault that proves its bug, and what is found.

`allow="*"` leaves the verdict to the test, which says what it expects of the account. `account.lost == [17]`
speaks of messages by their number.
"""

import random

import pytest
from pytest_mqchaos import (
    Chaos,
    ack,
    baseline,
    broker_restart,
    connection_drop,
    consumer_crash,
    delivery,
    lost_ack,
    poison_message,
)

pytestmark = pytest.mark.chaos(allow="*", settle_timeout=2.0, effect_timeout=2.0)


def nothing_ordered(n: int, rng: random.Random) -> dict[str, object]:
    """Return the n-th order; the 7th and the 23rd are readable, and of nothing."""
    return {"order": f"order-{n}", "quantity": 0 if n in (7, 23) else rng.randrange(1, 9)}


@pytest.mark.chaos(baseline())
def test_ack_first_looks_well_on_a_clean_run(mqchaos: Chaos, start) -> None:
    """Nothing is lost as long as nothing breaks; what may break it is named all the same."""
    start("wrong.ack_first")
    mqchaos.publish("orders", count=40, key="order")

    account = mqchaos.settle()

    assert account.verdict == "pass"
    assert "acked_before_effect" in [hazard.kind for hazard in account.hazards]


@pytest.mark.chaos(consumer_crash(after=ack(17)))
def test_ack_first(mqchaos: Chaos, start) -> None:
    """A crash right after the 17th ack loses the 17th order, and only that one."""
    start("wrong.ack_first")
    mqchaos.publish("orders", count=40, key="order")

    assert mqchaos.settle().lost == [17]


@pytest.mark.chaos(consumer_crash(after=delivery(17)))
def test_auto_ack(mqchaos: Chaos, start) -> None:
    """Whatever was sent and not yet booked is lost."""
    start("wrong.auto_ack")
    mqchaos.publish("orders", count=40, key="order")

    account = mqchaos.settle()

    assert 17 in account.lost
    assert len(account.lost) + len(account.effected) == 40


@pytest.mark.chaos(lost_ack(before=ack(17)), guarantee="exactly-once")
def test_not_idempotent(mqchaos: Chaos, start) -> None:
    """The order whose ack was lost is booked twice."""
    start("wrong.not_idempotent")
    mqchaos.publish("orders", count=40, key="order")

    assert mqchaos.settle().duplicated == [17]


@pytest.mark.chaos(baseline())
def test_swallows_errors(mqchaos: Chaos, start) -> None:
    """The orders that could not be booked stay with the worker, in nobody's hands."""
    start("wrong.swallows_errors")
    mqchaos.publish("orders", count=40, key="order", body=nothing_ordered)

    assert mqchaos.settle().unacknowledged == [7, 23]


@pytest.mark.chaos(connection_drop(after=delivery(10)))
@pytest.mark.parametrize("module", ["wrong.never_reconnects", "wrong.reconnects_idle"])
def test_silent_after_a_cut(mqchaos: Chaos, start, module: str) -> None:
    """The process lives, and what is left waits in the queue for ever."""
    worker = start(module)
    mqchaos.publish("orders", count=40, key="order")

    account = mqchaos.settle()

    assert 40 in account.stalled
    assert worker.exit_code is None


@pytest.mark.chaos(baseline())
def test_misspelt_queue(mqchaos: Chaos, start) -> None:
    """All orders wait in a queue that nobody reads, and the account says so."""
    mqchaos.queue("orders")
    start("wrong.misspelt_queue")
    mqchaos.publish("orders", count=40, key="order")

    account = mqchaos.settle()

    assert len(account.stalled) == 40
    assert "orders" in account.violations[0].cause


@pytest.mark.chaos(poison_message(b"not an order"))
def test_requeues_poison(mqchaos: Chaos, start) -> None:
    """The unreadable order, which follows the 40 good ones, goes round and round."""
    start("wrong.requeues_poison")
    mqchaos.publish("orders", count=40, key="order")

    assert mqchaos.settle().requeue_storm == [41]


@pytest.mark.chaos(poison_message(b"not an order"))
def test_acks_poison(mqchaos: Chaos, start) -> None:
    """The unreadable order is gone, though there is a dead-letter queue to keep it."""
    start("wrong.acks_poison")
    mqchaos.dead_letters("orders.dead")
    mqchaos.publish("orders", count=40, key="order")

    assert mqchaos.settle().dead_letter_miss == [41]


@pytest.mark.chaos(poison_message(b"not an order"))
def test_dies_of_poison(mqchaos: Chaos, start) -> None:
    """Its supervisor starts it again and again; the order that kills it stays."""
    start("wrong.dies_of_poison", restart="always")
    mqchaos.publish("orders", count=40, key="order")

    account = mqchaos.settle()

    assert account.poison_stuck == [41]
    assert "crash_loop" in [finding.detail for finding in account.findings]


@pytest.mark.chaos(baseline())
def test_rejects_without_dead_letter(mqchaos: Chaos, start) -> None:
    """The queue's policy throws them away: no crash is needed."""
    start("wrong.rejects_without_dead_letter")
    mqchaos.publish("orders", count=40, key="order", body=nothing_ordered)

    account = mqchaos.settle()

    assert account.lost == [7, 23]
    assert account.violations[0].detail == "by_policy"


@pytest.mark.chaos(broker_restart(after=ack(10)))
def test_forgetful_queue(mqchaos: Chaos, start) -> None:
    """What the broker held when it was restarted is gone, by the queue's own declaration."""
    start("wrong.forgetful_queue")
    mqchaos.publish("orders", count=40, key="order")

    account = mqchaos.settle()

    assert account.persistence_loss
    assert account.violations[0].detail == "by_declaration"


@pytest.mark.chaos(baseline())
def test_does_nothing(mqchaos: Chaos, start) -> None:
    """Every count of the broker's looks well; the book is empty."""
    start("wrong.does_nothing")
    mqchaos.publish("orders", count=40, key="order")

    assert len(mqchaos.settle().lost) == 40
