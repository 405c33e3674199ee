"""`consumer(effect_after="shop.handlers:book")`: a function's return is the effect; the application knows nothing."""

import pytest
from consumers import shopping
from e2e_kit import numbers, text

from pytest_mqchaos import ack, baseline, connection_drop, consumer_crash, delivery, effect
from pytest_mqchaos.model.events import Effected

COUNT = 20
TENTHS = [10, 20]
CALLS = [("book", "order_id"), ("book", None), ("book_order", "n"), ("book_later", "n"), ("Booker.book", "n"),
         ("Booker.book_all", "n"), ("Booker.book_aside", "n")]  # fmt: skip


def start(scene, forked, **options):
    """Start the consumer, in a process that is forked or as a program."""
    if forked:
        scene.forked(shopping.work, **options)
    else:
        scene.consumer("shopping", "work", **options)


@pytest.mark.parametrize(("call", "key"), CALLS)
@pytest.mark.parametrize("forked", [False, True])
@pytest.mark.chaos(baseline(), consumer_crash(before=ack(5)))
def test_its_return_is_the_effect(scene, mqchaos, call, key, forked):
    """Of functions and methods, sync and async, in a program and in a process that was forked."""
    scene.queue("classic")
    options = {"env": {"CALL": call}, "effect_after": f"consumers.shop:{call}", "effect_key": key}
    start(scene, forked, **options)
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


@pytest.mark.parametrize(
    ("function", "env"),
    [("consumers.telling:tell", {"CALL": "tell"}), ("consumers.shop:book", {"CALL": "book", "WRITES": "1"})],
)
@pytest.mark.parametrize("forked", [False, True])
@pytest.mark.chaos(
    baseline(),
    consumer_crash(before=ack(5)),
    consumer_crash(before=effect(9)),
    guarantee="exactly-once",
    allow="*",
)
def test_beside_what_the_application_tells_itself(scene, mqchaos, function, env, forked):
    """By the probe, or in $MQCHAOS_EFFECTS: two sources of one piece of work; what is done twice is twice in both."""
    if "effect" in mqchaos.scenario and "WRITES" in env:
        pytest.skip("who writes by himself asks nobody before")
    scene.queue("classic")
    options = {"env": {**env, "PREFETCH": 1}, "effect_after": function}
    start(scene, forked, **options)
    scene.publish(count=COUNT, key="n")
    account = mqchaos.settle()
    assert numbers(account.effected) == list(range(1, COUNT + 1)), text(account)
    assert numbers(account.lost) == [], text(account)
    assert {event.source for event in account.case.events if isinstance(event, Effected)} == {
        function,
        "$MQCHAOS_EFFECTS",
    }
    # the ninth that is asked about is the probe's of message 5: its process is killed before anything was told of it
    assert numbers(account.duplicated) == ([5] if "ack" in mqchaos.scenario else []), text(account)
