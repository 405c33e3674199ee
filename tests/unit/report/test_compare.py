"""Comparisons: a failed `==` or `in` says which messages are too many and which are missing."""

from __future__ import annotations

from account_builders import account, found, name

from pytest_mqchaos.report.compare import comparison

LOST = account(found("lost", 3, 17)).lost
MANY = account(found("lost", *range(1, 43))).lost


def test_too_many_and_missing() -> None:
    """Both sides of the difference are named, and what is too many shows its life."""
    assert comparison("==", LOST, [17, 18]) == [
        "<lost: 2 of 200: orders-k3f9-000003, orders-k3f9-000017> == [17, 18]",
        "not expected in lost: orders-k3f9-000003",
        "missing in lost: 18",
        "orders-k3f9-000003",
        "     0.000  published, confirmed",
        "     0.002  delivered to worker (tag 3)",
        "     0.003  effect seen (orders.log)",
        "     0.004  acknowledged by worker",
    ]


def test_from_the_other_side() -> None:
    """It does not matter on which side the messages stand."""
    lines = comparison("==", [], LOST)

    assert lines is not None
    assert lines[:2] == [
        "[] == <lost: 2 of 200: orders-k3f9-000003, orders-k3f9-000017>",
        "not expected in lost: orders-k3f9-000003, orders-k3f9-000017",
    ]


def test_many_are_cut() -> None:
    """Five are named, the rest is a number."""
    lines = comparison("==", MANY, [])

    assert lines is not None
    assert lines[1].endswith("orders-k3f9-000005, ... and 37 more")
    assert len(lines) == 2 + 5 * 5


def test_another_order() -> None:
    """Where only the order differs, that is said."""
    assert comparison("==", LOST, [17, 3]) == [
        "<lost: 2 of 200: orders-k3f9-000003, orders-k3f9-000017> == [17, 3]",
        "the same messages, in another order or more than once",
    ]


def test_two_sequences() -> None:
    """Sequences of two kinds compare too."""
    lines = comparison("==", LOST, account(found("duplicated", 3, 4)).duplicated)

    assert lines is not None
    assert lines[1:3] == ["not expected in lost: orders-k3f9-000017", "missing in lost: orders-k3f9-000004"]


def test_membership() -> None:
    """`not in` shows the life of the message that should not be there."""
    lines = comparison("not in", 17, LOST)

    assert lines is not None
    assert lines[0] == "17 not in <lost: 2 of 200: orders-k3f9-000003, orders-k3f9-000017>"
    assert lines[1] == name(17)
    assert comparison("in", 4, LOST) == ["4 in <lost: 2 of 200: orders-k3f9-000003, orders-k3f9-000017>"]


def test_not_equal() -> None:
    """`!=` that fails says that they are the same."""
    lines = comparison("!=", LOST, [3, 17])

    assert lines is not None
    assert lines[1] == "the same messages"


def test_what_is_not_ours() -> None:
    """Other comparisons are left to pytest."""
    assert comparison("==", [1], [2]) is None
    assert comparison("<", LOST, 3) is None
    assert comparison("==", LOST, 3) is None
    assert comparison("in", LOST, [1]) is None
