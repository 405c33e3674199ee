"""The life of a message as a chain, and what lasted: these events, exactly these steps and shares."""

from __future__ import annotations

from typing import Any

import pytest
from account_builders import acked, case, confirmed, delivered, done, found, ms, name, published, workload

from pytest_mqchaos.model.account import Account
from pytest_mqchaos.model.events import (
    BrokerStarted,
    BrokerStopped,
    Event,
    LinkLost,
    Nacked,
    Rejected,
    Rested,
)
from pytest_mqchaos.report.figures import figures


def of(*events: Event, count: int = 10, findings: Any = ()) -> dict[str, Any]:
    """Return the figures of a run of these events."""
    return figures(Account(case(events, workload(count)), list(findings), []))


def steps(made: dict[str, Any]) -> dict[str, int]:
    """Return how often each step was taken."""
    return {f"{each['from']} > {each['to']}": each["count"] for each in made["lifecycle"]["steps"]}


def sent(*numbers: int) -> list[Event]:
    """Return publishes with their confirms."""
    return [event for n in numbers for event in (published(n, n), confirmed(n, n + 1))]


def test_a_straight_life() -> None:
    """Delivered once and acknowledged: two steps, one delivery, one end."""
    made = of(*done(1), *done(2))

    assert steps(made) == {"ready > in_flight": 2, "in_flight > acknowledged": 2}
    assert made["lifecycle"]["deliveries"] == 1.0
    assert made["lifecycle"]["ends"]["acknowledged"] == 1.0
    first = made["lifecycle"]["steps"][0]
    assert (first["of"], first["probability"], first["high"]) == (2, 1.0, 1.0)
    assert first["low"] == pytest.approx(0.3424, abs=1e-4)


def test_one_that_comes_back() -> None:
    """A requeue, a lost link and then an ack: three deliveries of one message, one of the other."""
    made = of(
        *sent(1, 2),
        delivered(1, 10, tag=1),
        _nacked(1, 11, tag=1),
        delivered(1, 12, tag=2, redelivered=True),
        LinkLost(at=ms(13), link="worker", connection=2, by="client", clean=False, code=0, text=""),
        delivered(1, 20, connection=3, redelivered=True),
        acked(1, 21, connection=3),
        delivered(2, 22, tag=2, connection=3),
        acked(2, 23, tag=2, connection=3),
    )

    assert steps(made) == {
        "ready > in_flight": 2,
        "in_flight > requeued": 2,
        "in_flight > acknowledged": 2,
        "requeued > in_flight": 2,
    }
    assert made["lifecycle"]["deliveries"] == 2.0
    assert made["endurance"]["redelivered"]["count"] == made["endurance"]["redelivered"]["of"] == 1
    assert made["endurance"]["acked"]["share"] == 1.0


def test_an_ack_that_never_came_settled_nothing() -> None:
    """A delivery whose ack a fault swallowed ended without a settlement, as the chain has it."""
    made = of(
        *sent(1, 2),
        delivered(1, 10, tag=1),
        acked(1, 11, tag=1, passed=False),
        delivered(2, 12, tag=2),
        LinkLost(at=ms(13), link="worker", connection=2, by="fault"),
        delivered(1, 20, connection=3, redelivered=True),
        acked(1, 21, connection=3),
    )

    assert steps(made)["in_flight > requeued"] == 2
    redelivered = made["endurance"]["redelivered"]
    assert (redelivered["count"], redelivered["of"]) == (1, 2)


def test_rejected() -> None:
    """With a dead letter that rests it is dead-lettered and rests, without one it is dropped."""
    made = of(
        *sent(1, 2),
        delivered(1, 10, tag=1),
        _rejected(1, 11, tag=1),
        delivered(2, 12, tag=2),
        _rejected(2, 13, tag=2),
        Rested(at=ms(50), message=name(1), queue="orders.dead", death_reason="rejected"),
        count=2,
    )

    assert steps(made) == {
        "ready > in_flight": 2,
        "in_flight > dead_lettered": 1,
        "in_flight > dropped": 1,
        "dead_lettered > resting": 1,
    }
    assert made["lifecycle"]["ends"] == {
        "acknowledged": 0.0,
        "resting": 0.5,
        "dropped": 0.5,
        "unsettled": 0.0,
    }


def test_a_retry_through_a_waiting_room() -> None:
    """What was dead-lettered and comes again goes on, and its deliveries add up."""
    made = of(
        *sent(1),
        delivered(1, 10, tag=1),
        _rejected(1, 11, tag=1),
        delivered(1, 60, tag=2, deaths="orders:rejected:1"),
        acked(1, 61, tag=2),
    )

    assert steps(made) == {
        "ready > in_flight": 2,
        "in_flight > acknowledged": 1,
        "in_flight > dead_lettered": 1,
        "dead_lettered > ready": 1,
    }
    assert made["lifecycle"]["deliveries"] == 2.0
    assert made["lifecycle"]["copies_per_message"] == 1.0, "it goes on, it does not begin again"


def test_where_the_run_left_it() -> None:
    """Never delivered, or in hand at the end: unsettled."""
    made = of(*sent(1, 2), delivered(1, 10))

    assert steps(made) == {
        "ready > in_flight": 1,
        "ready > unsettled": 1,
        "in_flight > unsettled": 1,
    }


def test_nothing_published() -> None:
    """A run that sent nothing has no chain."""
    made = of()
    assert made["lifecycle"] is None
    assert made["endurance"] == {
        "stored": None, "retrieved": None, "undecided": 0, "persistence": None, "acked": None, "redelivered": None,
        "cut_off": 0, "unheard": 0, "undelivered": 0,
    }  # fmt: skip


def test_what_parts_the_broker_from_its_clients() -> None:
    """Cut off before it, confirmed and not heard, handed out and never there: each is counted beside the shares."""
    made = of(
        *sent(1, 2),
        published(3, 3),
        confirmed(3, 4, passed=False),
        published(4, 5, passed=False),
        delivered(1, 10),
        delivered(2, 11, passed=False),
        acked(1, 12),
    )["endurance"]

    assert (made["stored"]["count"], made["stored"]["of"]) == (3, 3)
    assert (made["cut_off"], made["unheard"]) == (1, 1), "published 4, and the publisher knows of 2 confirms"
    assert (made["acked"]["count"], made["acked"]["of"], made["undelivered"]) == (1, 2, 1)


def test_persistence() -> None:
    """Of three that were held when the broker stopped one was lost: two of three were retrieved."""
    made = of(
        *sent(1, 2, 3, 4),
        delivered(4, 10),
        acked(4, 11),
        BrokerStopped(at=ms(20), how="restart"),
        BrokerStarted(at=ms(30), how="restart"),
        published(5, 40),
        findings=[found("persistence_loss", 2)],
    )

    assert (made["endurance"]["stored"]["count"], made["endurance"]["stored"]["of"]) == (4, 5)
    assert (made["endurance"]["retrieved"]["count"], made["endurance"]["retrieved"]["of"]) == (2, 3)
    product = made["endurance"]["persistence"]
    assert product["share"] == pytest.approx(4 / 5 * 2 / 3, abs=1e-6)
    for edge in ("low", "high"):
        wider = made["endurance"]["stored"][edge] * made["endurance"]["retrieved"][edge]
        assert (product[edge] <= wider) is (edge == "low"), "each factor's interval is one of 97.5 %"


@pytest.mark.parametrize(
    ("findings", "retrieved", "undecided"),
    [
        ([found("persistence_loss", count=2)], (2, 4), 0),
        ([found("persistence_loss", 1), found("persistence_loss", count=1)], (2, 4), 0),
        ([found("persistence_loss", 1, unknown=True)], (3, 3), 1),
        ([found("persistence_loss", 1, unknown=True), found("persistence_loss", 1, 2)], (2, 4), 0),
        ([found("persistence_loss", count=9)], (0, 4), 0),
    ],
)
def test_what_was_retrieved(findings: Any, retrieved: tuple[int, int], undecided: int) -> None:
    """A loss that nobody can name is one; what cannot be judged is neither lost nor retrieved."""
    stop = [BrokerStopped(at=ms(20), how="restart"), BrokerStarted(at=ms(30), how="restart")]
    made = of(*sent(1, 2, 3, 4), *stop, findings=findings)["endurance"]

    assert (made["retrieved"]["count"], made["retrieved"]["of"]) == retrieved
    assert made["undecided"] == undecided


def test_a_fan_out() -> None:
    """A message with two copies is delivered twice, though each copy is delivered once."""
    made = of(
        *sent(1, 2),
        delivered(1, 10, tag=1, queue="a"),
        delivered(1, 11, tag=2, queue="b"),
        acked(1, 12, tag=1),
        acked(1, 13, tag=2),
        delivered(2, 14, tag=3, queue="a"),
        acked(2, 15, tag=3),
    )["lifecycle"]

    assert (made["messages"], made["deliveries"]) == (2, 1.0)
    assert (made["copies_per_message"], made["deliveries_per_message"]) == (1.5, 1.5)


def _nacked(number: int, at: float, **fields: Any) -> Nacked:
    return Nacked(**_settlement(number, at, requeue=True, multiple=False, **fields))


def _rejected(number: int, at: float, **fields: Any) -> Rejected:
    return Rejected(**_settlement(number, at, requeue=False, **fields))


def _settlement(number: int, at: float, **fields: Any) -> dict[str, Any]:
    return {
        "at": ms(at), "link": "worker", "connection": 2, "channel": 1, "message": name(number),
        "tag": number, "effect_seen": None, **fields,
    }  # fmt: skip
