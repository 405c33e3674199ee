"""Hazards: what a run already shows to be fragile."""

from __future__ import annotations

import pytest
from check_builders import SECOND, Run, found, judged, numbers, queue
from test_duplicated import doubled_by_a_lost_ack
from test_lost import crashed_after_its_ack

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.findings import Hazard


def hazard(run: Run, kind: str, **fields: object) -> Hazard | None:
    """Return the hazard of a kind, None if there is none."""
    return next((one for one in judged(run, **fields)[1] if one.kind == kind), None)


def acks_first() -> Run:
    """A consumer acknowledges before its work, and nothing happens."""
    run = Run(2).subscribe().publish()
    for number in (1, 2):
        run.ack(run.deliver(number), effect_seen=False).effect(number)
    return run.settled()


def test_acked_before_effect_on_a_clean_run() -> None:
    """On a clean run acks before the work are a hazard, and no finding."""
    one = hazard(acks_first(), "acked_before_effect")
    assert one is not None
    assert (one.consumer, numbers(one.messages), one.count, one.confirmed) == ("worker", [1, 2], 2, False)
    assert found(acks_first()) == {}


@pytest.mark.parametrize(("ahead", "early"), [(1, [1]), (-1, [])])
def test_acks_before_the_consumer_has_shown_any_work(ahead: int, early: list[int]) -> None:
    """Nobody knew where to look; where it was looked last without the effect, and after the ack, the ack was first."""
    run = Run(1).subscribe().publish()
    run.ack(run.deliver(1), effect_seen=None)
    acked = run.events[-1].at
    run.wait(300).effect(1, since=acked + ahead).settled()
    one = hazard(run, "acked_before_effect")
    assert ([] if one is None else numbers(one.messages)) == early


def test_acked_before_effect_confirmed_by_a_loss() -> None:
    """A crash in the gap confirms it, and there is a finding too."""
    one = hazard(crashed_after_its_ack(), "acked_before_effect")
    assert one is not None
    assert one.confirmed
    assert found(crashed_after_its_ack())["(acked_before_effect:confirmed)"] == [2]


def test_what_was_dropped_has_no_work_that_an_ack_could_precede() -> None:
    """It was acknowledged, and the consumer lived on: lost, and no hazard of another message."""
    run = Run(3).start().subscribe().publish().work(1)
    run.ack(run.deliver(2), effect_seen=False).work(3).end(by="plugin").settled()
    assert found(run) == {"lost:by_consumer": [2]}
    assert hazard(run, "acked_before_effect") is None


def test_who_ends_in_the_gap_keeps_the_hazard() -> None:
    """The work may have been about to come, whatever ended the process; so it may where nothing was waited for."""
    run = Run(2).start().subscribe().publish().work(1)
    run.ack(run.deliver(2), effect_seen=False).end(by="itself", exit_code=1).settled()
    assert hazard(run, "acked_before_effect") is not None
    begun = Run(1).start().subscribe().publish()
    begun.ack(begun.deliver(1), effect_seen=False).settled()
    assert hazard(begun, "acked_before_effect") is None
    assert hazard(begun, "acked_before_effect", interrupted=True) is not None


def test_an_effect_that_was_there_proves_nothing() -> None:
    """An effect that was there at the ack, or that nobody could look for, is no hazard."""
    run = Run(2).subscribe().publish().work(1)
    run.ack(run.deliver(2), effect_seen=None).effect(2).settled()
    assert hazard(run, "acked_before_effect") is None


def test_effects_that_are_asked_for_at_the_end() -> None:
    """Where effects are asked for at the end only, the order is unknown."""
    assert hazard(acks_first(), "acked_before_effect", ordered_evidence=False) is None


def test_a_retry_that_was_published_before_the_ack() -> None:
    """The ack of a first try whose copy was published before is right without an effect."""
    run = Run(1).subscribe().publish()
    hand = run.deliver(1)
    run.republish(1, "orders").ack(hand, effect_seen=False).work(1).settled()
    assert judged(run) == ([], [])


def test_an_event_that_is_published_before_the_ack_is_no_copy_to_be_worked_on() -> None:
    """What rests in a queue that nobody reads tells of work that is still to come."""
    run = Run(1).subscribe().publish()
    hand = run.deliver(1)
    run.republish(1, "audit").ack(hand, effect_seen=False).effect(1)
    assert hazard(run.settled(queue("orders"), queue("audit", 1)), "acked_before_effect") is not None


def test_automatic_ack() -> None:
    """Automatic ack is named on a clean run."""
    run = Run(1).subscribe(auto_ack=True).publish()
    run.deliver(1, auto_ack=True)
    one = hazard(run.effect(1).settled(), "auto_ack")
    assert one is not None
    assert (one.consumer, one.confirmed) == ("worker", False)


def test_effect_before_ack() -> None:
    """Doubled work proves that it is not idempotent."""
    one = hazard(doubled_by_a_lost_ack(), "effect_before_ack")
    assert one is not None
    assert (one.confirmed, numbers(one.messages)) == (True, [2])
    assert hazard(doubled_by_a_lost_ack(idempotent=True), "effect_before_ack") is None


def test_double_settlement() -> None:
    """A second settlement of one delivery is the consumer's, a hazard and never illegal."""
    run = Run(1).subscribe().publish().work(1).on_channel(e.UnknownSettlement, tag=1, kind="ack").settled()
    one = hazard(run, "double_settlement")
    assert one is not None
    assert one.count == 1
    assert found(run) == {}


def test_work_after_the_ack() -> None:
    """Work after the ack: a late effect is a hazard, never a loss."""
    run = Run(1).subscribe().publish()
    run.ack(run.deliver(1), effect_seen=False).wait(2 * SECOND).effect(1).settled()
    assert hazard(run, "late_effect") is not None
    assert found(run) == {}


def test_a_retry_long_after_the_ack_of_its_first_try() -> None:
    """A copy published again and acked waits its seconds; the work then belongs to the second delivery."""
    run = Run(1).subscribe().publish()
    first = run.deliver(1)
    run.republish(1, "orders").ack(first, effect_seen=False).wait(2 * SECOND)
    run.work(1).settled()
    assert hazard(run, "late_effect") is None


def test_unlimited_prefetch() -> None:
    """A subscription without a prefetch is named."""
    assert hazard(Run(1).subscribe(prefetch=0).publish().work(1).settled(), "unlimited_prefetch") is not None
    assert hazard(Run(1).subscribe().publish().work(1).settled(), "unlimited_prefetch") is None


def test_work_that_shows_where_the_test_asks_at_the_end() -> None:
    """Where one consumer writes a file and another one a database, no order is known of the second one's work."""
    run = Run(2).subscribe().subscribe("mails", link="mailer").publish(1).publish(2, routing_key="mails")
    run.work(1).ack(run.deliver(2, "mails", link="mailer"), effect_seen=False).wait(5 * SECOND)
    run.effect(2, link=None, source="rows", in_order=False).settled(queue("orders"), queue("mails"))
    assert judged(run)[1] == []
