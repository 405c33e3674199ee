"""How readers shared a queue: these events, exactly these counts, and what the page says of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "checks"))

from check_builders import Run
from report_builders import session
from test_html import read
from test_order import recorded

from pytest_mqchaos.report.html import page


def two(count: int, **fields: Any) -> Run:
    """Return a run with two readers of one queue."""
    return Run(count).subscribe(**fields).subscribe(link="other", **fields).publish()


def shared(run: Run) -> list[dict[str, Any]]:
    """Return how the readers of a run shared its queues."""
    figure: list[dict[str, Any]] = recorded(run.settled())["sharing"]
    return figure


def test_one_reader_shares_with_nobody() -> None:
    """A queue with one reader at a time is not told of."""
    run = Run(1).subscribe().publish()
    assert shared(run.effect(1).ack(run.deliver(1))) == []


def test_in_turn() -> None:
    """One to each, and again: all in turn, and nobody had less in hand."""
    run = two(4)
    for n, link in enumerate(("worker", "other") * 2, 1):
        run.deliver(n, link=link)
    assert shared(run) == [{"queue": "orders", "readers": 2, "deliveries": 4, "in_turn": 4, "least_busy": 4}]


def test_one_gets_it_all() -> None:
    """All to the first of two: the first delivery alone was its turn."""
    run = two(3)
    for n in (1, 2, 3):
        run.deliver(n)
    assert shared(run) == [{"queue": "orders", "readers": 2, "deliveries": 3, "in_turn": 1, "least_busy": 1}]


def test_who_has_no_room_loses_its_turn() -> None:
    """A reader whose prefetch is used up is passed over: the other is in turn, and no longer so when it has room."""
    run = two(4, prefetch=1)
    run.deliver(1)
    run.effect(2).ack(run.deliver(2, link="other"))
    run.effect(3).ack(run.deliver(3, link="other"))
    assert shared(run) == [{"queue": "orders", "readers": 2, "deliveries": 3, "in_turn": 3, "least_busy": 3}]


def test_who_is_gone_shares_nothing() -> None:
    """After one of two lost its link the other is alone, and its deliveries are no sharing."""
    run = two(3)
    run.deliver(1)
    run.lose("other")
    run.deliver(2)
    (row,) = shared(run)
    assert row["deliveries"] == 1


def test_the_panel() -> None:
    """The page says what was counted, and what the words mean."""
    run = two(4)
    for n, link in enumerate(("worker", "other") * 2, 1):
        run.deliver(n, link=link)
    text = read(page(session(recorded(run.settled())))).text
    assert "How readers shared a queue" in text
    assert "to the least busy orders2444" in text
