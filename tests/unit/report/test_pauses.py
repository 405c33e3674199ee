"""What came again, and how soon: these events, exactly these times."""

from __future__ import annotations

from typing import Any

from account_builders import acked, case, confirmed, delivered, done, ms, published, workload

from pytest_mqchaos.model.account import Account
from pytest_mqchaos.model.events import ConsumerEnded, ConsumerStarted, Event, LinkLost
from pytest_mqchaos.model.guarantees import at_least_once
from pytest_mqchaos.model.refinements import retry
from pytest_mqchaos.model.retries import exponential, jittered
from pytest_mqchaos.report.figures import figures


def of(*events: Event, **fields: Any) -> dict[str, Any]:
    """Return the figures of a run of these events."""
    return figures(Account(case(events, workload(10), **fields), [], []))


def died(at: float, consumer: str = "worker") -> list[Event]:
    """Return the end of a process, whose connection is seen to be lost just before."""
    return [
        LinkLost(at=ms(at - 1), link=consumer, connection=2, by="client", clean=False, code=0, text=""),
        ConsumerEnded(at=ms(at), consumer=consumer, pid=100, exit_code=-9, by="fault"),
    ]


def test_nothing_came_again() -> None:
    """Without a second attempt there is nothing to tell."""
    made = of(*done(1), *done(2, 10))
    assert (made["pauses"], made["takeovers"]) == ([], [])


def test_pauses_by_attempt() -> None:
    """A pause counts from the end of the attempt before; the promised policy stands beside."""
    promised = at_least_once + retry(jittered(exponential(0.05), 0.5, 1.5), attempts=3)
    made = of(
        published(1, 0),
        confirmed(1, 1),
        delivered(1, 10, tag=1),
        acked(1, 20, tag=1),
        delivered(1, 70, tag=2),
        acked(1, 80, tag=2),
        delivered(1, 180, tag=3),
        guarantee=promised,
    )
    assert made["pauses"] == [
        {"attempt": 2, "messages": 1, "shortest": 0.05, "p50": 0.05, "longest": 0.05, "due_after": 0.025,
         "due_until": 0.075},
        {"attempt": 3, "messages": 1, "shortest": 0.1, "p50": 0.1, "longest": 0.1, "due_after": 0.05,
         "due_until": 0.15},
    ]  # fmt: skip


def test_what_died_on_its_way_was_no_attempt() -> None:
    """A delivery that never reached its consumer makes neither a second attempt nor a pause."""
    made = of(
        published(1, 0),
        confirmed(1, 1),
        delivered(1, 10, tag=1, passed=False),
        LinkLost(at=ms(11), link="worker", connection=2, by="fault"),
        delivered(1, 70, tag=1, connection=3, redelivered=True),
        acked(1, 80, tag=1, connection=3),
    )
    assert made["pauses"] == []


def test_what_a_dead_consumer_held() -> None:
    """Of two that it had in hand one was taken over 40 ms later by the next process, one by nobody."""
    made = of(
        ConsumerStarted(at=ms(-10), consumer="worker", pid=100),
        *(event for n in (1, 2, 3) for event in (published(n, n), confirmed(n, n + 1))),
        delivered(1, 10),
        acked(1, 11),
        delivered(2, 12),
        delivered(3, 13),
        *died(20),
        ConsumerStarted(at=ms(30), consumer="worker", pid=101),
        delivered(2, 60, tag=1, connection=3, redelivered=True),
    )
    assert made["takeovers"] == [
        {"consumer": "worker", "at": 0.019, "held": 2, "messages": 1, "shortest": 0.04, "p50": 0.04,
         "longest": 0.04},
    ]  # fmt: skip
