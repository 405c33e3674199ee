"""Overflow: what a bounded queue dropped or refused, and where its dead letters are."""

from __future__ import annotations

from typing import Any

import pytest
from check_builders import Run, findings, found, numbers, only, queue
from hypothesis import given
from hypothesis import strategies as st

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.topology import QueueState

NAMED = {"dead_letters": frozenset({"dead"})}


def bounded(**settings: Any) -> QueueState:
    """Return the state of a queue that holds at most two messages."""
    return queue("orders", **({"max_length": 2} | settings))


def dropped(**settings: Any) -> Run:
    """Of three messages the first is dropped."""
    return Run(3).subscribe().publish().work(2, 3).settled(bounded(**settings))


def refused(**settings: Any) -> Run:
    """Of three messages the third is refused."""
    run = Run(3).subscribe().publish(1, 2).publish(3, confirm=False).answer(3, e.PublishNacked)
    return run.work(1, 2).settled(bounded(**settings))


def test_dropped() -> None:
    """The oldest is dropped where no dead letters are declared: information here, and lost by policy."""
    run = dropped()
    finding = only(run, "overflow")
    assert (finding.name, numbers(finding.messages), finding.violation) == ("overflow:dropped", [1], False)
    assert finding.cause == "`orders` holds at most 2 messages (drop-head)"
    assert found(run) == {"lost:by_policy": [1], "(overflow:dropped)": [1]}
    assert found(run, "at-most-once") == {"(lost:by_policy)": [1], "(overflow:dropped)": [1]}


def test_dropped_and_not_dead_lettered_though_declared() -> None:
    """A dead-letter exchange that leads nowhere is named."""
    finding = only(dropped(dead_letter_exchange="dlx"), "overflow")
    assert (finding.name, numbers(finding.messages)) == ("overflow:not_dead_lettered", [1])
    assert finding.claim == "was dropped from `orders`, and its dead letter arrived nowhere"
    assert finding.mend == "bind a queue to the dead-letter exchange 'dlx'"


def test_dead_lettered_as_declared() -> None:
    """A dead letter with that reason is where it was declared to be."""
    run = Run(3).subscribe().publish().work(2, 3)
    run.settled(bounded(dead_letter_exchange="dlx"), queue("dead", ready=1))
    run.rest(1, "dead", deaths="d", death_reason="maxlen", death_queue="orders")
    finding = only(run, "overflow", **NAMED)
    assert (finding.name, numbers(finding.messages), finding.violation) == (
        "overflow:dead_lettered",
        [1],
        False,
    )


@pytest.mark.parametrize(
    ("settings", "detail", "mends"),
    [
        ({"overflow": "reject-publish"}, "refused", False),
        ({"overflow": "reject-publish", "dead_letter_exchange": "dlx"}, "refused", True),
        ({"overflow": "reject-publish-dlx"}, "refused", False),
        ({"overflow": "reject-publish-dlx", "dead_letter_exchange": "dlx"}, "not_dead_lettered", True),
    ],
)
def test_refused(settings: dict[str, Any], detail: str, mends: bool) -> None:
    """The newest is refused; only reject-publish-dlx dead-letters it, and only where that is declared."""
    run = refused(**settings)
    finding = only(run, "overflow")
    assert (finding.detail, numbers(finding.messages), bool(finding.mend)) == (detail, [3], mends)
    assert found(run) == {f"(overflow:{detail})": [3]}, "the publisher was told: nothing fails"


def test_refused_and_dead_lettered() -> None:
    """What was refused and rests as a dead letter is told once."""
    run = Run(3).subscribe().publish(1, 2).publish(3, confirm=False).answer(3, e.PublishNacked).work(1, 2)
    run.settled(bounded(overflow="reject-publish-dlx", dead_letter_exchange="dlx"), queue("dead", ready=1))
    run.rest(3, "dead", deaths="d", death_reason="maxlen", death_queue="orders")
    assert only(run, "overflow", **NAMED).name == "overflow:dead_lettered"


def test_what_else_takes_messages_away_is_no_overflow() -> None:
    """A rejected message, an expired one, or one that its consumer acknowledged without work, is not dropped."""
    run = Run(3).subscribe().publish().work(2, 3)
    run.nack(run.deliver(1), requeue=False).settled(bounded())
    assert "overflow" not in str(found(run))
    run = Run(3).subscribe().publish().work(2, 3)
    run.ack(run.deliver(1)).settled(bounded())
    assert "overflow" not in str(found(run))
    assert "overflow" not in str(found(dropped(message_ttl=1.0)))


def test_a_nack_without_a_limit_is_no_overflow() -> None:
    """A broker may refuse for other reasons."""
    assert "overflow" not in str(found(refused()))
    assert "overflow" not in str(found(refused(max_length=None, overflow="reject-publish")))


def test_a_queue_that_could_not_be_counted() -> None:
    """Whether it was dropped is unknown where the queue could not be counted: as the loss itself."""
    run = Run(3).subscribe().publish().work(2, 3).unsettled(bounded(exact=False))
    finding = only(run, "overflow")
    assert (finding.unknown, finding.violation) == (True, False)


@given(st.integers(1, 6), st.integers(1, 9))
def test_a_queue_that_was_never_full_is_never_in_overflow(count: int, limit: int) -> None:
    """Whatever the limit, work that was all done leaves nothing to say."""
    run = Run(count).subscribe().publish().work(*range(1, count + 1))
    assert [one for one in findings(run.settled(bounded(max_length=limit))) if one.kind == "overflow"] == []
