"""`consumer(effect_after="shop.handlers:book")`: a function's return is the effect; the application knows nothing."""

import pytest
from consumers import shopping
from e2e_kit import numbers, text

from pytest_mqchaos import ack, baseline, connection_drop, consumer_crash, delivery

COUNT = 20
TENTHS = [10, 20]
CALLS = [("book", "order_id"), ("book", None), ("book_order", "n"), ("book_later", "n"), ("Booker.book", "n"),
         ("Booker.book_all", "n"), ("Booker.book_aside", "n")]  # fmt: skip


@pytest.mark.parametrize(("call", "key"), CALLS)
@pytest.mark.parametrize("forked", [False, True])
@pytest.mark.chaos(baseline(), consumer_crash(before=ack(5)))
def test_its_return_is_the_effect(scene, mqchaos, call, key, forked):
    """Of functions and methods, sync and async, in a program and in a process that was forked."""
    scene.queue("classic")
    options = {"env": {"CALL": call}, "effect_after": f"consumers.shop:{call}", "effect_key": key}
    if forked:
        scene.forked(shopping.work, **options)
    else:
        scene.consumer("shopping", "work", **options)
    scene.publish(count=COUNT, key="n")
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert numbers(account.effected) == list(range(1, COUNT + 1))


@pytest.mark.parametrize("call", ["book_order", "book_later", "Booker.book"])
@pytest.mark.chaos(baseline(), connection_drop(after=delivery(4)), allow="*")
def test_a_call_that_raised_is_no_effect(scene, mqchaos, call):
    """Its consumer acks all the same: those messages are lost."""
    scene.queue("classic")
    env = {"CALL": call, "FAILS": 1}
    scene.consumer("shopping", "work", env=env, effect_after=f"consumers.shop:{call}", effect_key="n")
    scene.publish(count=COUNT, key="n")
    account = mqchaos.settle()
    assert numbers(account.lost) == TENTHS, text(account)
