"""The example of a message, and the field that makes each its own."""

from __future__ import annotations

import json

import pytest

from pytest_mqchaos.cli.example import Example, read
from pytest_mqchaos.errors import UsageError


def example(folder, content: object, *, key: str | None = None, queue: str = "orders") -> Example:
    """Read what a file holds, JSON unless it is bytes."""
    path = folder / "order.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return read(path, key=key, queue=queue)


@pytest.mark.parametrize(
    ("queue", "fields", "key"),
    [
        ("orders", {"id": 1, "order": "A-1"}, "order"),
        ("orders", {"customerId": 1, "orderId": "A-1"}, "orderId"),
        ("shop.orders.v1", {"id": 7, "order_id": 1}, "order_id"),
        ("deliveries", {"delivery-number": "1", "n": 2}, "delivery-number"),
        ("work", {"n": 1, "_id": "x"}, "_id"),
        ("work", {"n": 1, "invoice_id": 5}, "invoice_id"),
        ("work", {"customer_id": 1, "invoice_id": 5}, None),
        ("orders", {"order": {"id": 5}, "paid": True}, None),
        ("orders", {"order": 1.5, "id": ""}, None),
        ("", {"uuid": "x"}, "uuid"),
    ],
)
def test_the_field_that_names_a_message_is_guessed(
    tmp_path, queue: str, fields: dict, key: str | None
) -> None:
    """By what the queue is called, then by what fields of the kind are; never one that cannot be a key."""
    found = example(tmp_path, fields, queue=queue)
    assert (found.key, found.guessed) == (key, key is not None)


@pytest.mark.parametrize(
    ("value", "sort"),
    [
        (17, "number"),
        ("17", "digits"),
        ("A-17", "text"),
        ("0b8e7d2e-6f0b-4a3e-9f57-0d6c2f0a1b2c", "uuid"),
    ],
)
def test_a_key_stays_of_its_kind(tmp_path, value: object, sort: str) -> None:
    """A consumer that expects a number gets numbers."""
    found = example(tmp_path, {"ref": value}, key="ref")
    assert (found.key, found.sort, found.guessed) == ("ref", sort, False)


def test_what_is_no_json_object(tmp_path) -> None:
    """It is sent as it is, and has no key."""
    assert example(tmp_path, [1, 2]).body == "[1, 2]"
    path = tmp_path / "order.txt"
    path.write_text("order 17")
    assert read(path, key=None, queue="orders").body == "order 17"
    path.write_bytes(b"\xff\x00")
    assert read(path, key=None, queue="orders") == Example(b"\xff\x00", str(path))


@pytest.mark.parametrize(
    ("content", "key", "why"),
    [
        (b"{order: 1}", None, "--body {}: not JSON: "),
        ([1], "order", "--key order: {} is no JSON object: without a field there is no key"),
        ({"id": 1, "total": 2.5}, "order", "--key order: no such field in {}: it has id, total"),
        ({"id": 1, "total": 2.5}, "total", "--key total: 2.5 in {}: a key is text or a whole number"),
    ],
)
def test_what_will_not_do(tmp_path, content: object, key: str | None, why: str) -> None:
    """One line that names the file or the field."""
    with pytest.raises(UsageError) as caught:
        example(tmp_path, content, key=key)
    assert str(caught.value).startswith(why.format(tmp_path / "order.json"))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path) -> None:
    """It is named."""
    with pytest.raises(UsageError, match=r"^--body .*/nothing\.json: No such file or directory$"):
        read(tmp_path / "nothing.json", key=None, queue="orders")
