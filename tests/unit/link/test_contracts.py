"""What a delivery lost of what its message was published with."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pamqp.commands import Basic

from pytest_mqchaos.link.contracts import Contracts
from pytest_mqchaos.wire.amqp import Properties

HEADERS = {
    "x-mqchaos-id": "orders-k3f9-000001",
    "tenant": "acme",
    "attempt": 3,
    "deep": {"a": [1, {"b": None}]},
}
SAID: dict[str, Any] = {
    "content_type": "application/json",
    "content_encoding": "utf-8",
    "headers": HEADERS,
    "delivery_mode": 2,
    "priority": 3,
    "correlation_id": "c-1",
    "reply_to": "answers",
    "expiration": "60000",
    "message_id": "orders-k3f9-000001",
    "timestamp": datetime(2026, 1, 1, tzinfo=UTC),
    "message_type": "order",
    "app_id": "shop",
}


def altered(**changes: Any) -> tuple[str, ...]:
    """Return what a delivery with other properties has lost."""
    contracts = Contracts()
    contracts.learn("m", Properties(Basic.Properties(**SAID).marshal()))
    return contracts.altered("m", Properties(Basic.Properties(**(SAID | changes)).marshal()))


def test_the_same_is_the_same() -> None:
    """What arrives as it was published has lost nothing."""
    assert altered() == ()


def test_what_a_broker_writes_is_not_of_the_contract() -> None:
    """Deaths, counts and the expiration that dead-lettering takes away are the broker's own."""
    deaths = {
        "x-death": [{"count": 1, "queue": "orders", "original-expiration": "60000"}],
        "x-first-death-exchange": "",
        "x-first-death-queue": "orders",
        "x-first-death-reason": "rejected",
        "x-last-death-reason": "rejected",
        "x-delivery-count": 2,
        "x-acquired-count": 3,
    }
    assert altered(headers={**HEADERS, **deaths}, expiration=None) == ()


def test_what_a_publisher_wrote_into_the_brokers_headers() -> None:
    """A publisher that sets what the broker writes, or sends copies by CC and BCC, has no say in them."""
    contracts = Contracts()
    sent = {**HEADERS, "BCC": ["audit"], "CC": ["copies"], "x-delivery-count": 9}
    contracts.learn(
        "m", Properties(Basic.Properties(headers=sent, reply_to="amq.rabbitmq.reply-to").marshal())
    )
    came = Basic.Properties(headers=HEADERS, reply_to="amq.rabbitmq.reply-to.g2dkABByZW")
    assert contracts.altered("m", Properties(came.marshal())) == ()


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"content_type": "text/plain"}, ("content_type",)),
        ({"correlation_id": None}, ("correlation_id",)),
        ({"timestamp": datetime(2026, 1, 2, tzinfo=UTC)}, ("timestamp",)),
        ({"delivery_mode": 1, "priority": None}, ("delivery_mode", "priority")),
        ({"message_type": "invoice"}, ("type",)),
        ({"headers": {**HEADERS, "tenant": "other"}}, ("header tenant",)),
        ({"headers": {**HEADERS, "deep": {"a": [1, {"b": 0}]}}}, ("header deep",)),
        (
            {"headers": {"x-mqchaos-id": "orders-k3f9-000001"}},
            ("header attempt", "header deep", "header tenant"),
        ),
    ],
    ids=str,
)
def test_what_is_missing_or_other(changes: dict[str, Any], names: tuple[str, ...]) -> None:
    """Each property and each header counts, and is named."""
    assert altered(**changes) == names


def test_another_encoding_of_the_same_values() -> None:
    """Numbers of another width and tables in another order say the same."""
    contracts = Contracts()
    contracts.learn("m", Properties(b"\x20\x00\x00\x00\x00\x0a\x01nI\x00\x00\x00\x07\x01fV"))
    assert contracts.altered("m", Properties(b"\x20\x00\x00\x00\x00\x07\x01fV\x01nb\x07")) == ()


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), Decimal("1.50"), bytearray(b"\x00\xff"), "", {}, [], None, True]
)
def test_odd_values_equal_themselves(value: object) -> None:
    """Also where the rest of the headers is other than it was."""
    assert altered(headers={**HEADERS, "odd": value, "more": 1}) == ()
    contracts = Contracts()
    contracts.learn("m", Properties(Basic.Properties(headers={"odd": value}).marshal()))
    assert (
        contracts.altered("m", Properties(Basic.Properties(headers={"odd": value, "x": 1}).marshal())) == ()
    )


def test_unknown_messages_have_no_contract() -> None:
    """Foreign traffic, and what was published past our publisher, is asked nothing."""
    contracts = Contracts()
    assert contracts.altered(None, Properties(b"\x00\x00")) == ()
    assert contracts.altered("m", Properties(b"\x00\x00")) == ()


def test_malformed_properties_raise_nothing() -> None:
    """What cannot be read counts as missing."""
    contracts = Contracts()
    contracts.learn("m", Properties(Basic.Properties(content_type="text/plain").marshal()))
    assert contracts.altered("m", Properties(b"\x80\x00\xff")) == ("content_type",)
