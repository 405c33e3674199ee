"""From names to messages: ids, keys, and names that are neither."""

from __future__ import annotations

import threading

import pytest

from pytest_mqchaos.effects import Resolver
from pytest_mqchaos.effects.resolve import Resolution
from pytest_mqchaos.model.messages import Message, digest, message_id


def message(number: int, key: str | None = None) -> Message:
    """Return a message of the run `k3f9`."""
    body = str(number).encode()
    return Message(
        id=message_id("orders", "k3f9", number), number=number, body=body, digest=digest(body), key=key
    )


def resolver(*keys: str | None) -> Resolver:
    """Return a resolver of a message a key."""
    return Resolver({m.id: m for m in (message(n, key) for n, key in enumerate(keys, 1))})


def test_an_id_names_its_message() -> None:
    """Before anything else does."""
    found = resolver("a").resolve("orders-k3f9-000001")
    assert found == Resolution(kind="id", message="orders-k3f9-000001", candidates=("orders-k3f9-000001",))


def test_a_key_names_its_message() -> None:
    """As text, whatever it was in the application."""
    found = resolver("a", "17").resolve("17")
    assert found == Resolution(kind="key", message="orders-k3f9-000002", candidates=("orders-k3f9-000002",))


def test_a_shared_key_names_several() -> None:
    """In published order; which one is not ours to say."""
    found = resolver("a", "b", "a").resolve("a")
    assert (found.kind, found.message) == ("ambiguous", None)
    assert found.candidates == ("orders-k3f9-000001", "orders-k3f9-000003")


@pytest.mark.parametrize("name", ["orders-k3f9-000009", "orders-zzzz-000001", "other-k3f9-000001"])
def test_an_id_that_was_never_published_is_unexpected(name: str) -> None:
    """Of this run or another."""
    assert resolver("a").resolve(name) == Resolution(kind="unexpected")


@pytest.mark.parametrize("name", ["", "b", "orders", "orders-k3f9-17", "2024-10-000001", "#17"])
def test_other_names_are_foreign(name: str) -> None:
    """They are counted and left alone."""
    assert resolver("a", None).resolve(name) == Resolution(kind="foreign")


def test_a_key_that_looks_like_an_id_is_a_key() -> None:
    """What the test published is never unexpected."""
    assert resolver("shop-abcd-000001").resolve("shop-abcd-000001").kind == "key"


def test_blanks_around_a_name_are_forgiven_not_preferred() -> None:
    """A shell's `echo` may add one; a key may have one."""
    found = resolver("a", "a ").resolve
    assert found(" a").message == "orders-k3f9-000001"
    assert found("a ").message == "orders-k3f9-000002"
    assert found(" orders-k3f9-000001\t").kind == "id"
    assert found(" orders-k3f9-000009").kind == "unexpected"


def test_messages_that_come_later_are_known() -> None:
    """And a key may come to be shared."""
    messages = {m.id: m for m in (message(1, "a"),)}
    made = Resolver(messages)
    assert made.resolve("b").kind == "foreign"
    assert made.resolve("a").kind == "key"
    for late in (message(2, "b"), message(3, "a")):
        messages[late.id] = late
    assert made.resolve("b").message == "orders-k3f9-000002"
    assert made.resolve("a").kind == "ambiguous"


def test_a_workload_may_grow_while_names_are_resolved() -> None:
    """Publishing and reading effects happen in different threads."""
    messages: dict[str, Message] = {}
    made, errors = Resolver(messages), []

    def look() -> None:
        try:
            while made.resolve("key-4999").message is None:
                pass
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(5000):
        new = message(number, f"key-{number}")
        messages[new.id] = new
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert made.resolve("key-0").kind == "key"
