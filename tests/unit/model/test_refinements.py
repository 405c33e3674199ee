"""Guarantees and what refines them: what counts, how it reads, and what is refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model.guarantees import at_least_once, at_most_once, exactly_once, guarantee
from pytest_mqchaos.model.refinements import (
    Failover,
    Ordered,
    Prefetch,
    Retry,
    Within,
    failover,
    ordered,
    prefetch,
    retry,
    within,
)
from pytest_mqchaos.model.retries import Policy, exponential, fixed, jittered, linear


def customer_of(message: Any) -> object:
    """Return what the messages of one customer share."""
    return message.json["customer"]


def test_strings_and_constants_are_alike() -> None:
    """`guarantee=` takes the names and the constants of these names."""
    for name, constant in {"at-most-once": at_most_once, "at-least-once": at_least_once,
                           "exactly-once": exactly_once}.items():  # fmt: skip
        assert guarantee(name) is guarantee(constant) is constant
        assert str(constant) == name


def test_plus_refines() -> None:
    """`+` adds a finding that counts, a sentence and a name; what it is added to stays as it is."""
    refined = exactly_once + ordered("customer")
    assert refined.violations == exactly_once.violations | {"reordered"}
    assert str(refined) == "exactly-once + ordered('customer')"
    assert refined.promise.endswith(
        "gone; every bad one is where it belongs. "
        "Messages of the same `customer` are worked on in the order they were published."
    )
    assert refined.terms(Ordered) == Ordered("customer", strict=False)
    assert exactly_once.terms(Ordered) is None
    assert not exactly_once.counts("reordered")
    assert guarantee(refined) is refined
    assert hash(refined) == hash(exactly_once + ordered("customer"))


def test_how_they_read() -> None:
    """A refinement reads as it is written; a function by its name."""
    assert str(ordered("customer", strict=True)) == "ordered('customer', strict=True)"
    assert str(ordered(customer_of)) == "ordered(customer_of)"
    assert str(ordered(lambda message: message.number)) == "ordered(a function)"
    assert ordered(customer_of).promise.startswith("Messages of one key (by customer_of) are worked on")
    assert (exactly_once.written, (at_most_once + within(1)).written) == (
        "'exactly-once'",
        "at_most_once + within(1)",
    )
    assert (str(prefetch(3)), prefetch(3).terms) == ("prefetch(3)", Prefetch(3))
    assert (str(failover(1.5)), failover(1.5).terms) == ("failover(1.5)", Failover(1.5))
    assert str(retry(exponential(1, 2, 60), attempts=3)) == "retry(exponential(1, 2, 60), attempts=3)"
    assert str(retry(jittered(linear(0.5)))) == "retry(jittered(linear(0.5), 0, 1))"
    assert retry(fixed(1), attempts=3).terms == Retry(fixed(1.0), 3)
    assert str(within(5)) == "within(5)"
    assert str(exactly_once + ordered("a") + within(0.5)) == "exactly-once + ordered('a') + within(0.5)"
    assert (at_most_once + within(2)).terms(Within) == Within(2.0)


WRONG: list[tuple[Callable[[], object], str]] = [
    (ordered, 'ordered(): by what? Name a JSON field, ordered("customer"), or give a function'),
    (lambda: ordered(""), "ordered(''): the name of a JSON field, or a function of the message"),
    (lambda: ordered(3), "ordered(3): the name of a JSON field, or a function of the message"),  # type: ignore[arg-type]
    (lambda: ordered("a", strict=1), "ordered(strict=1): True or False"),  # type: ignore[arg-type]
    (prefetch, "prefetch(): how many? Write prefetch(10)"),
    (lambda: prefetch(0), "prefetch(0): a whole number, at least 1"),
    (lambda: prefetch(2.5), "prefetch(2.5): a whole number, at least 1"),  # type: ignore[arg-type]
    (failover, "failover(): how long? Write failover(2.0)"),
    (lambda: failover(-2), "failover(-2): a number of seconds above 0"),
    (retry, "retry(): which policy? Write retry(fixed(1.0), attempts=3)"),
    (lambda: retry(fixed), "retry(fixed): forgotten parentheses: write retry(fixed(1.0))"),  # type: ignore[arg-type]
    (
        lambda: retry("fixed"),  # type: ignore[arg-type]
        "retry('fixed'): no policy: there are fixed(1.0), linear(1.0), exponential(1.0, 2.0, 60.0), "
        "jittered(exponential(1.0))",
    ),
    (lambda: retry(fixed(1), attempts=0), "retry(attempts=0): a whole number, at least 1"),
    (fixed, "fixed(): delay is missing: write fixed(1.0)"),
    (lambda: fixed(-1), "fixed(delay=-1): a number, 0 or more"),
    (lambda: linear("1"), "linear(delay='1'): a number, 0 or more"),  # type: ignore[arg-type]
    (lambda: exponential(1, 0.5), "exponential(factor=0.5): a number, 1 or more"),
    (lambda: exponential(1, 2, -1), "exponential(cap=-1): a number, 0 or more"),
    (jittered, "jittered(): which policy? Write jittered(fixed(1.0))"),
    (lambda: jittered(fixed(1), 0.5, 0.2), "jittered(high=0.2): a number, 0.5 or more"),
    (within, "within(): how long? Write within(5.0)"),
    (lambda: within(-1), "within(-1): a number of seconds above 0"),
    (lambda: within(0), "within(0): a number of seconds above 0"),
    (lambda: within(True), "within(True): a number of seconds above 0"),
    (lambda: within("5"), "within('5'): a number of seconds above 0"),  # type: ignore[arg-type]
    (lambda: within(float("inf")), "within(inf): a number of seconds above 0"),
    (lambda: exactly_once + within, "exactly-once + within: forgotten parentheses: write within(5.0)"),
    (
        lambda: exactly_once + ordered,
        'exactly-once + ordered: forgotten parentheses: write ordered("customer")',
    ),
    (
        lambda: exactly_once + ordered("a") + ordered("b"),
        "exactly-once + ordered('a') + ordered('b'): promised twice: one of them is enough",
    ),
    (
        lambda: "exactly-once" + ordered("a"),
        "'exactly-once' + ordered('a'): 'exactly-once' is a text: write exactly_once + ordered('a')",
    ),
    (
        lambda: ordered("a") + ordered("b"),
        "ordered('a') + ordered('b'): a guarantee comes first: write at_least_once + ordered('a') + ...",
    ),
    (
        lambda: 3 + ordered("a"),
        "3 + ordered('a'): it refines a guarantee: write at_least_once + ordered('a')",
    ),
    (
        lambda: guarantee(ordered("a")),
        "guarantee=ordered('a'): it refines a guarantee: write guarantee=at_least_once + ordered('a')",
    ),
    (
        lambda: guarantee("exactly once"),
        "guarantee='exactly once': one of 'at-most-once', 'at-least-once', 'exactly-once'",
    ),
]


@pytest.mark.parametrize(("wrong", "line"), WRONG, ids=[line[:40] for _, line in WRONG])
def test_wrong_ones_are_one_line(wrong: Callable[[], object], line: str) -> None:
    """What is written wrongly is refused in one line that says how to write it."""
    with pytest.raises(UsageError) as caught:
        wrong()
    assert str(caught.value) == line


@pytest.mark.parametrize("value", ["ordered", 5, None, exactly_once])
def test_plus_something_else(value: object) -> None:
    """`+` with what refines nothing says what there is."""
    with pytest.raises(
        UsageError, match=r"^at-least-once \+ .*: not a refinement: there are ordered\(\"customer\"\)"
    ):
        _ = at_least_once + value


def test_the_delays_of_the_policies() -> None:
    """Fixed, growing by a time, growing by a factor up to a cap, and a random share of these."""

    def three(policy: Policy) -> list[tuple[float, float]]:
        return [policy.delay(failures) for failures in (1, 2, 3)]

    assert three(fixed(2)) == [(2, 2), (2, 2), (2, 2)]
    assert three(linear(2)) == [(2, 2), (4, 4), (6, 6)]
    assert three(exponential(1, 3, 5)) == [(1, 1), (3, 3), (5, 5)]
    assert three(jittered(exponential(1, 2), 0.5, 1.5)) == [(0.5, 1.5), (1, 3), (2, 6)]
    assert three(jittered(fixed(2))) == [(0, 2)] * 3
    assert exponential(1, 10, 60).delay(10_000) == (60, 60), "no overflow"
    assert linear(2).range([1, 2, 3]) == (2, 6)
