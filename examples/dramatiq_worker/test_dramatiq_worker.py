"""A dramatiq worker keeps each message that it was given, whatever breaks on the way."""

import pytest
from pytest_mqchaos import (
    Chaos,
    ack,
    baseline,
    combine,
    connection_drop,
    consumer_crash,
    delivery,
    malformed_payload,
)


@pytest.mark.chaos(
    baseline(),
    connection_drop(after=delivery(17)),
    combine(consumer_crash(before=ack(17)), malformed_payload()),
    guarantee="exactly-once",
)
def test_whatever_breaks(mqchaos: Chaos, start, calls) -> None:
    """The worker, the network, the messages: each order is booked once, those that are tried again, too."""
    start()
    mqchaos.publish("orders", count=40, **calls)


@pytest.mark.chaos(baseline())
def test_the_return_of_an_actor_shows_its_work(mqchaos: Chaos, start, calls) -> None:
    """Without a file or a line in the worker: a try that raised is no work."""
    start(effect_after="shop:book", effect_key="order")
    mqchaos.publish("orders", count=20, **calls)


@pytest.mark.chaos(baseline(), allow="*")
def test_gives_up(mqchaos: Chaos, start, calls) -> None:
    """Good orders that failed once are found among the dead letters."""
    start("wrong.gives_up")
    mqchaos.publish("orders", count=20, **calls)

    assert mqchaos.settle().dead_letter_false_positive == [5, 10, 15, 20]


@pytest.mark.chaos(consumer_crash(after=ack(17)), allow="*")
def test_in_background(mqchaos: Chaos, start, calls) -> None:
    """What was acked and not yet booked is lost."""
    start("wrong.in_background")
    mqchaos.publish("orders", count=40, **calls)

    account = mqchaos.settle()

    assert account.lost
    assert len(account.lost) + len(account.effected) == 40
