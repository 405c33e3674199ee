"""What the publisher noted as sent is booked, whatever breaks on the way."""

import pytest
from pytest_mqchaos import (
    Chaos,
    baseline,
    broker_restart,
    confirm,
    connection_drop,
    connection_reset,
    consumer_crash,
    lost_confirm,
    publish,
    refuse,
)


def test_whatever_breaks(mqchaos: Chaos, start) -> None:
    """The standard battery: nothing, the network, the worker, the payloads, the broker."""
    start(key="order")


@pytest.mark.chaos(
    connection_reset(before=publish(7)),
    connection_drop(after=confirm(7)),
    lost_confirm(before=confirm(7)),  # it is there, and is sent again
    refuse(after=publish(5), duration=0.5),
    broker_restart(after=publish(9)),
)
def test_at_the_worst_moment(mqchaos: Chaos, start) -> None:
    """The moments between an order and its confirm."""
    publisher = start()

    account = mqchaos.verify()

    assert publisher.exit_code == 0
    assert len(account.effected) == 40


@pytest.mark.chaos(consumer_crash(consumer="publisher.py", after=publish(7)))
def test_killed_between_an_order_and_its_confirm(mqchaos: Chaos, start) -> None:
    """It has noted six, and is started again by its supervisor: all are booked, and nothing is lost."""
    start(restart="on-fault")

    assert len(mqchaos.verify().effected) == 40


@pytest.mark.chaos(baseline())
def test_a_full_queue(mqchaos: Chaos, start) -> None:
    """What a full queue refuses is sent again until there is room."""
    start(count=10, arguments={"x-max-length": 3, "x-overflow": "reject-publish"}, work=0.05)

    assert len(mqchaos.verify().effected) == 10
