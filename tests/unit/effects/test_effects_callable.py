"""Callables that say what was done: what they may return, and what is told of the rest."""

from __future__ import annotations

import functools
import sqlite3
from collections import Counter, namedtuple
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from pytest_mqchaos.effects import EffectsCall
from pytest_mqchaos.errors import ChaosError, UsageError

ONE = UUID("12345678123456781234567812345678")
Row = namedtuple("Row", "id")


def orders(value: object) -> Callable[[], object]:
    """Return a callable named `done` that returns a value."""

    def done() -> object:
        return value

    return done


@pytest.mark.parametrize(
    ("value", "counts"),
    [
        ([], {}),
        (["a", "b", "a"], {"a": 2, "b": 1}),
        (("a", 7, b"c", bytearray(b"d"), ONE, Decimal("8"), Decimal("8.5")), None),
        ({"a", "b"}, {"a": 1, "b": 1}),
        (frozenset({7}), {"7": 1}),
        ((name for name in "ab"), {"a": 1, "b": 1}),
        ([("a",), ["b"], Row("a"), (7,)], {"a": 2, "b": 1, "7": 1}),
        ([{"id": 7}, {"id": "a"}], {"7": 1, "a": 1}),
        ({"a": 2, 7: 1, b"c": 0}, {"a": 2, "7": 1}),
        (Counter("aab"), {"a": 2, "b": 1}),
        ({7: 1, "7": 2}, {"7": 3}),
        ({"a": 1}.keys(), {"a": 1}),
        ([b"\xff"], {"\\xff": 1}),
    ],
)
def test_ids_keys_rows_and_counts_are_names(value: object, counts: dict[str, int] | None) -> None:
    """Each with how often it shows."""
    if counts is None:
        counts = {"a": 1, "7": 1, "c": 1, "d": 1, str(ONE): 1, "8": 1, "8.5": 1}
    assert EffectsCall(orders(value)).read() == counts


def test_rows_of_a_database_are_names() -> None:
    """As tuples and as sqlite's own rows."""
    base = sqlite3.connect(":memory:")
    base.execute("create table done (id text)")
    base.executemany("insert into done values (?)", [("a",), ("b",), ("a",)])
    call = EffectsCall(lambda: base.execute("select id from done"))
    assert call.read() == {"a": 2, "b": 1}
    base.row_factory = sqlite3.Row
    assert call.read() == {"a": 2, "b": 1}
    base.close()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "returned None"),
        ("abc", "returned 'abc'"),
        (b"abc", "returned b'abc'"),
        (7, "returned 7"),
        (["a", None], "returned the entry None"),
        ([1.5], "returned the entry 1.5"),
        ([True], "returned the entry True"),
        ([("a", 2)], "returned the entry ('a', 2)"),
        ([()], "returned the entry ()"),
        ([{"id": 1, "n": 2}], "returned the entry {'id': 1, 'n': 2}"),
        ({"a": "2"}, "returned the count '2' for 'a'"),
        ({"a": -1}, "returned the count -1 for 'a'"),
        ({"a": True}, "returned the count True for 'a'"),
        ({"a": 1.0}, "returned the count 1.0 for 'a'"),
        (["x" * 200, None], "returned the entry None"),
        ([["x" * 200, 1]], f"returned the entry ['{'x' * 75}..."),
    ],
)
def test_what_is_no_name_is_one_line(value: object, text: str) -> None:
    """It names the callable, the value and what to return instead."""
    with pytest.raises(ChaosError) as raised:
        EffectsCall(orders(value)).read()
    way_out = "return ids or keys (str, int or bytes), or a dict of them to counts"
    assert str(raised.value) == f"effects(orders.done) {text}: {way_out}"


def test_an_exception_of_the_callable_is_one_line() -> None:
    """With its kind and text; the cause stays for those who look."""

    def done() -> Any:
        raise sqlite3.OperationalError("no such\n  table: done")

    with pytest.raises(ChaosError) as raised:
        EffectsCall(done).read()
    name = "test_an_exception_of_the_callable_is_one_line.done"
    assert str(raised.value) == f"effects({name}) raised OperationalError: no such table: done"
    assert isinstance(raised.value.__cause__, sqlite3.OperationalError)


def test_an_exception_amid_the_entries_is_one_line_too() -> None:
    """A cursor may fail while it is read."""

    def done() -> Any:
        yield "a"
        raise KeyError

    with pytest.raises(ChaosError, match=r"raised KeyError: no text"):
        EffectsCall(done).read()


def test_async_callables_are_refused() -> None:
    """The test's thread has no loop of ours; also where it shows at the call only."""

    async def done() -> list[str]:
        return ["a"]

    with pytest.raises(UsageError, match=r"done\): is async; .* give a plain function"):
        EffectsCall(done)
    with pytest.raises(ChaosError, match=r"returned <coroutine object"):
        EffectsCall(lambda: done()).read()  # noqa: PLW0108 - not known as async before it is called


def test_what_is_not_callable_is_refused() -> None:
    """It names the value."""
    with pytest.raises(UsageError, match=r"effects\(7\): a path, or a callable that returns ids or keys"):
        EffectsCall(7)  # type: ignore[arg-type]


def test_partials_and_objects_have_names() -> None:
    """Errors name them as their author does."""

    class Store:
        def __call__(self) -> object:
            return None

    assert EffectsCall(functools.partial(orders("x"))).description == "orders.done"
    assert EffectsCall(Store()).description == "test_partials_and_objects_have_names.Store"


def test_a_value_that_cannot_be_shown_is_named_by_its_kind() -> None:
    """A broken `repr` is not our error."""

    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError

    with pytest.raises(ChaosError, match=r"returned the entry <Odd>"):
        EffectsCall(orders([Odd()])).read()
