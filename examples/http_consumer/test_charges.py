"""The worker charges each order exactly once, whatever breaks, and whatever the payment service answers at first."""

import pytest
from pytest_mqchaos import (
    Chaos,
    ack,
    baseline,
    broker_restart,
    call,
    connection_reset,
    consumer_crash,
    lost_ack,
    malformed_payload,
    transient,
)

pytestmark = pytest.mark.chaos(guarantee="exactly-once", poison="dead-letter")


@pytest.mark.chaos(
    baseline(),
    consumer_crash(before=call(17)),  # asked, and not answered: nothing was charged
    consumer_crash(after=call(17)),  # charged, and it does not know so
    consumer_crash(before=ack(17)),  # it knows so, and the broker does not
    connection_reset(after=call(17)),
    lost_ack(before=ack(17)),
    broker_restart(after=call(17)),
    malformed_payload(),
)
def test_each_order_is_charged_once(mqchaos: Chaos, start) -> None:
    """The moments around the call, where an HTTP call and an ack do not agree."""
    start()
    mqchaos.publish("orders", count=60, key="order")


@pytest.mark.chaos(baseline(), consumer_crash(after=call(17)))
def test_a_service_that_is_unwell(mqchaos: Chaos, start) -> None:
    """Every fifth order is refused twice: it waits, comes back, and goes well at the third try."""
    start(fail=transient(2, share=0.2))
    mqchaos.publish("orders", count=40, key="order")


@pytest.mark.chaos(
    baseline(), allow={"dead_letter_false_positive": "the service is down for all of the test"}
)
def test_a_service_that_is_down(mqchaos: Chaos, start) -> None:
    """Refused five times, an order is kept for those who look at such: none is lost, and none is charged."""
    start(status=500)
    mqchaos.publish("orders", count=5, key="order", expect=0)

    account = mqchaos.settle()

    assert len(account.dead_letter_false_positive) == 5
