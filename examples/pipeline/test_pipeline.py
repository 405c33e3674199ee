"""Two stages, orders → invoices → mails: no order is lost on the way, and a stage that loses one is named."""

import pytest
from pytest_mqchaos import (
    Chaos,
    ack,
    baseline,
    broker_restart,
    connection_drop,
    consumer_crash,
    delivery,
    malformed_payload,
)


@pytest.mark.chaos(
    baseline(),
    consumer_crash(before=ack(17), consumer="billing"),  # its invoice is out, and goes out again
    consumer_crash(before=ack(17), consumer="mailer"),
    connection_drop(after=delivery(17), consumer="*"),
    broker_restart(after=delivery(17)),
    malformed_payload(),
    guarantee="exactly-once",
)
def test_whatever_breaks(mqchaos: Chaos, start) -> None:
    """Either stage, the network of both, the broker, the orders: one mail for each order."""
    start()
    mqchaos.publish("orders", count=40, key="order")


def loss(mqchaos: Chaos) -> str:
    """Settle, and return where the order was lost."""
    (lost,) = [each for each in mqchaos.settle().findings if each.kind == "lost"]
    return f"{lost.messages[0][-6:]} {lost.claim}"


@pytest.mark.chaos(consumer_crash(after=ack(17), consumer="billing"), allow="*")
def test_billing_acks_first(mqchaos: Chaos, start) -> None:
    """The order whose ack was the last that the broker saw of billing has no invoice."""
    start(billing="wrong.billing_acks_first")
    mqchaos.publish("orders", count=40, key="order")

    assert loss(mqchaos).startswith("000017 lost by billing: its ack reached the broker")


@pytest.mark.chaos(consumer_crash(after=ack(17), consumer="mailer"), allow="*", effect_timeout=1.0)
def test_mailer_acks_first(mqchaos: Chaos, start) -> None:
    """The order whose invoice the mailer acked last has no mail."""
    start(mailer="wrong.mailer_acks_first")
    mqchaos.publish("orders", count=40, key="order")

    assert loss(mqchaos).startswith("000017 lost by mailer: its ack reached the broker")
