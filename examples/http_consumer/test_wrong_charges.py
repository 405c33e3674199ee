"""Each wrong worker passes an ordinary test. Here what proves its bug, and what is found."""

import pytest
from pytest_mqchaos import Chaos, baseline, call, consumer_crash, transient

pytestmark = pytest.mark.chaos(allow="*", settle_timeout=2.0, effect_timeout=2.0)


@pytest.mark.chaos(baseline())
def test_never_looks(mqchaos: Chaos, start) -> None:
    """What was refused was acknowledged all the same, and is lost."""
    start("wrong.never_looks", fail=transient(2, share=0.1))
    mqchaos.publish("orders", count=40, key="order")

    account = mqchaos.settle()

    assert len(account.lost) == 4
    assert "payments answered its only call with 503" in account.explain(account.lost[0])


@pytest.mark.chaos(baseline())
def test_gives_up_at_once(mqchaos: Chaos, start) -> None:
    """Good orders rest among the dead letters."""
    start("wrong.gives_up_at_once", fail=transient(2, share=0.1))
    mqchaos.publish("orders", count=40, key="order")

    assert len(mqchaos.settle().dead_letter_false_positive) == 4


@pytest.mark.chaos(consumer_crash(after=call(17)), guarantee="exactly-once")
def test_without_a_key(mqchaos: Chaos, start) -> None:
    """Killed between answer and ack it charges again, and one order is charged twice."""
    start("wrong.without_a_key")
    mqchaos.publish("orders", count=40, key="order")

    assert mqchaos.settle().duplicated == [17]


@pytest.mark.chaos(consumer_crash(before=call(17)))
def test_ack_first(mqchaos: Chaos, start) -> None:
    """Killed before it was answered it never charges: the order was acknowledged already."""
    start("wrong.ack_first")
    mqchaos.publish("orders", count=40, key="order")

    assert 17 in mqchaos.settle().lost
