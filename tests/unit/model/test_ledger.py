"""The ledger: these events, exactly this table."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "checks"))  # the builders of the checks' tests

from check_builders import Run, name, queue

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.copies import Copy
from pytest_mqchaos.model.ledger import Ledger


def states(run: Run, number: int = 1) -> list[str]:
    """Return the states of a message's copies."""
    return [copy.state for copy in run.ledger().records[name(number)].copies]


def copies(run: Run, number: int = 1) -> list[Copy]:
    """Return a message's copies."""
    return run.ledger().records[name(number)].copies


# --- the life of a copy ---------------------------------------------------------------------------------


def test_the_life_of_a_copy() -> None:
    """Delivered, acknowledged, processed: each is a fact of its own."""
    run = Run(1).subscribe().publish()
    hand = run.deliver(1)
    assert states(run) == ["in_hand"]
    assert states(run.ack(hand)) == ["settling"]
    assert states(run.barrier()) == ["settled"]


@pytest.mark.parametrize(
    ("requeue", "state", "how"), [(True, "ready", "requeued"), (False, "settling", "dropped")]
)
def test_given_back_or_up(requeue: bool, state: str, how: str) -> None:
    """A nack gives a copy back, or up."""
    run = Run(1).subscribe().publish()
    run.nack(run.deliver(1), requeue=requeue)
    assert (states(run), copies(run)[0].settlement) == ([state], how)


def test_a_settlement_that_was_kept_from_the_broker() -> None:
    """An ack that a fault swallowed leaves the copy in hand, and then the broker's."""
    run = Run(1).subscribe().publish()
    run.ack(run.deliver(1), passed=False)
    assert states(run) == ["in_hand"]
    assert states(run.lose()) == ["ready"]


def test_automatic_ack_settles_at_once() -> None:
    """With automatic ack a copy is settled when it was handed out."""
    run = Run(1).subscribe(auto_ack=True).publish()
    run.deliver(1, auto_ack=True)
    assert (states(run), copies(run)[0].settlement) == (["settled"], "auto")
    assert run.ledger().open_deliveries() == []


def test_a_transaction_counts_at_its_commit() -> None:
    """Acks of a transaction are open until the commit, and void after a rollback."""
    run = Run(2).subscribe().publish()
    first, second = run.deliver(1), run.deliver(2)
    run.ack(first, transactional=True)
    assert states(run) == ["in_hand"]
    run.on_channel(e.CommitSent).on_channel(e.Committed).ack(second, transactional=True).on_channel(
        e.RolledBack
    )
    assert (states(run, 1), states(run, 2)) == (["settled"], ["in_hand"])
    run.ack(second, transactional=True).on_channel(e.CommitSent)
    assert states(run.on_channel(e.Committed), 2) == ["settled"]
    assert len(run.ledger().open_deliveries()) == 0


def test_a_transaction_that_its_connection_did_not_outlive() -> None:
    """What was not committed when its connection ended is the broker's again."""
    run = Run(1).subscribe().publish()
    run.ack(run.deliver(1), transactional=True)
    assert states(run.lose()) == ["ready"]


def test_the_census_processes_what_it_holds_no_more() -> None:
    """Two exact censuses with nothing in between tell that an ack was processed."""
    run = Run(1).subscribe().publish().work(1).census()
    assert states(run) == ["settling"]
    run.census()
    assert states(run) == ["settled"]


def test_one_census_may_be_older_than_what_it_is_compared_with() -> None:
    """A census tells nothing of what happened while it was asked for."""
    run = Run(1).subscribe().publish().census().work(1).census()
    assert states(run) == ["settling"]


def test_an_inexact_census_proves_nothing() -> None:
    """A count that moved while it was taken settles nothing."""
    run = Run(1).subscribe().publish().work(1).census(queue("orders", exact=False), times=3)
    assert states(run) == ["settling"]
    assert run.ledger().settled() == (False, "`orders` could not be counted exactly")


def test_gone_by_the_census_until_it_is_seen_again() -> None:
    """A copy that an exact census holds no more is gone; seen again, it is there."""
    run = Run(1).subscribe().publish()
    run.deliver(1)
    run.lose().census(times=2)
    assert states(run) == ["gone"]
    run.subscribe().deliver(1, redelivered=True)
    assert (states(run), len(copies(run)[0].conflicts)) == (["in_hand"], 0)


def test_never_delivered_and_gone() -> None:
    """A confirmed message that no queue holds is terminal, though it was never seen."""
    run = Run(1).publish().census(queue("orders", ready=1), times=2)
    assert run.ledger().settled() == (False, "`orders` holds 1 ready")
    run.census(times=2)
    assert (run.ledger().settled(), run.ledger().records[name(1)].gone) == ((True, ""), True)


def test_at_rest() -> None:
    """What was read from a terminal queue rests there, also when a later census finds it empty."""
    run = Run(1).subscribe().publish()
    run.nack(run.deliver(1), requeue=False).census(queue("orders"), queue("dead", ready=1), times=2)
    run.rest(1, "dead", death_reason="rejected").census(queue("orders"), queue("dead"), times=2)
    assert states(run) == ["settled", "resting"]


# --- the identity of copies -------------------------------------------------------------------------------


def test_a_redelivery_is_the_same_copy() -> None:
    """A delivery after a requeue is the copy that was given back."""
    run = Run(1).subscribe().publish()
    run.nack(run.deliver(1)).deliver(1, redelivered=True)
    assert [len(copy.deliveries) for copy in copies(run)] == [2]


def test_each_queue_has_its_copy() -> None:
    """One publication to an exchange makes one copy a queue."""
    run = Run(1, to="").subscribe("mail").subscribe("bill").publish(exchange="events", routing_key="")
    run.deliver(1, "mail")
    run.deliver(1, "bill")
    assert [(copy.queue, len(copy.deliveries)) for copy in copies(run)] == [("mail", 1), ("bill", 1)]


def test_each_passage_by_a_dead_letter_exchange_makes_a_copy() -> None:
    """A changed `x-death` header tells a new copy from a redelivery."""
    run = Run(1).subscribe().publish()
    run.nack(run.deliver(1), requeue=False).deliver(1, deaths="one")
    assert [copy.deaths for copy in copies(run)] == [None, "one"]


def test_a_repeated_publication_explains_a_second_copy() -> None:
    """Two publications, two open deliveries, two copies."""
    run = Run(1).subscribe().publish(1).publish(1)
    run.deliver(1)
    run.deliver(1)
    assert len(copies(run)) == 2


def test_a_publication_that_was_kept_from_the_broker_explains_nothing() -> None:
    """A publication that a fault swallowed makes no copy."""
    run = Run(1).subscribe().publish(1).publish(1, passed=False)
    run.deliver(1)
    run.deliver(1)
    assert (len(copies(run)), len(copies(run)[0].conflicts)) == (1, 1)


def test_a_copy_handed_on_explains_none_in_the_queue_it_came_from() -> None:
    """A publication by the application to another queue explains no second copy in the first."""
    run = Run(1).subscribe().publish()
    run.deliver(1)
    run.republish(1, "results").deliver(1)
    assert len(copies(run)) == 1


def test_given_back_and_fresh_are_told_apart_by_the_flag() -> None:
    """Of a copy given back and one never delivered, the redelivered flag chooses."""
    run = Run(1).subscribe().publish(1).publish(1)
    run.nack(run.deliver(1)).deliver(1)
    assert [len(copy.deliveries) for copy in copies(run)] == [1, 1]
    run.deliver(1, redelivered=True)
    assert [len(copy.deliveries) for copy in copies(run)] == [2, 1]


# --- what settling asks -----------------------------------------------------------------------------------


def test_progress_grows_and_never_with_redeliveries() -> None:
    """First deliveries, effects, settled copies and emptier queues are progress; redeliveries are none."""
    run = Run(1).subscribe().publish()
    seen = [run.ledger().progress]

    def grew() -> bool:
        seen.append(run.ledger().progress)
        return seen[-1] > seen[-2]

    hand = run.deliver(1)
    assert grew()
    run.nack(hand)
    hand = run.deliver(1, redelivered=True)
    assert not grew()
    run.effect(1)
    assert grew()
    run.ack(hand)
    assert grew()
    run.barrier()
    assert not grew(), "that is the same step"
    run.census(queue("orders"), queue("mail", ready=2)).census(queue("orders"), queue("mail", ready=1))
    assert grew()
    run.census(queue("orders"), queue("mail", ready=2)).census(queue("orders"), queue("mail", ready=1))
    assert not grew()


def test_a_message_that_circles_for_ever_is_no_progress_for_ever() -> None:
    """Only so many settled copies of one message count."""
    run = Run(1).subscribe().publish()
    for turn in range(50):
        run.nack(run.deliver(1, deaths=str(turn)), requeue=False).barrier()
    before = run.ledger().progress
    run.nack(run.deliver(1, deaths="more"), requeue=False).barrier()
    assert run.ledger().progress == before


def test_a_round_of_delayed_retries_is_progress_though_its_queue_is_never_still() -> None:
    """What was settled there no census confirms, and the sum of messages stays as it is: slow is not stuck."""
    run = Run(3).subscribe().publish()
    hands = [run.deliver(number) for number in (1, 2, 3)]
    for number, hand in enumerate(hands, 1):
        before = run.ledger().progress
        run.ack(hand).deliver(number, deaths="1")
        run.census(queue("orders", unacknowledged=3))
        assert run.ledger().progress == before + 1


def test_settled_says_what_is_missing() -> None:
    """What keeps a run from being settled is said in words."""
    run = Run(2).subscribe().publish(1, confirm=False)
    assert run.ledger().settled() == (False, "1 publications wait for their confirm")
    run.answer(1)
    assert run.ledger().settled() == (False, "no census was taken yet")
    hand = run.deliver(1)
    run.census(queue("orders", ready=3, unacknowledged=1), queue("mail", transit=2))
    assert run.ledger().settled() == (
        False,
        "`orders` holds 3 ready, 1 unacknowledged; `mail` holds 2 in dead-letter transit",
    )
    run.census()
    assert run.ledger().settled() == (False, "1 deliveries are open")
    assert run.ack(hand).ledger().settled() == (True, "")


def test_the_workloads_own_expiration_is_a_wait() -> None:
    """A delay that the test publishes into is waited for as long as its messages live."""
    run = Run(2, to="delay").subscribe()
    for number, expiration in ((1, "1500"), (2, "40000")):
        run.add(e.Published, message=name(number), routing_key="delay", expiration=expiration,
                link="publisher", connection=1, channel=1)  # fmt: skip
        run.answer(number)
    delay = queue("delay", ready=2, dead_letter_exchange="", dead_letter_routing_key="orders")
    ledger = run.census(queue("orders"), delay).ledger()
    assert (ledger.longest_wait(), ledger.waiting_messages()) == (40.0, 2)
    assert ledger.settled() == (False, "`delay` holds 2 ready")


def test_a_waiting_room_of_a_queue_that_is_expected_to_be_read() -> None:
    """Whoever is to read it has not come yet: what waits for him is waited for."""
    run = Run(1, to="delay").publish()
    delay = queue(
        "delay", ready=1, message_ttl=40.0, dead_letter_exchange="", dead_letter_routing_key="orders"
    )
    ledger = run.census(queue("orders"), delay).ledger()
    assert (ledger.longest_wait(), ledger.waiting_messages()) == (0.0, 0)
    expected = {"expected": ["orders"]}
    assert (ledger.longest_wait(**expected), ledger.waiting_messages(**expected)) == (40.0, 1)


def test_looks_settled_when_the_wire_shows_nothing_on_its_way() -> None:
    """The census is worth asking once all is handed out and answered."""
    run = Run(1).subscribe().publish()
    assert not run.ledger().looks_settled()
    hand = run.deliver(1)
    assert not run.ledger().looks_settled()
    assert run.ack(hand).ledger().looks_settled()
    run = Run(1).subscribe().publish()
    assert not run.nack(run.deliver(1)).ledger().looks_settled()


def test_what_an_eaten_ack_settled_only_the_census_knows() -> None:
    """An ack on a lost link may have been processed: that looks settled, and the census tells."""
    assert Run(1).subscribe().publish().work(1).lose().ledger().looks_settled()


def test_effects_that_are_waited_for() -> None:
    """Waited for is what is good, acknowledged, terminal and without its effects."""
    run = Run(3, poison=1).subscribe().publish()
    run.ack(run.deliver(1)).ack(run.deliver(4)).nack(run.deliver(2), requeue=False).census(times=2)
    run.work(3).barrier()
    assert run.ledger().missing_effects() == [name(1)]
    assert run.effect(1).ledger().missing_effects() == []


def test_holders_are_the_processes_that_live() -> None:
    """A process that ended, or was started anew, no longer holds what it was given."""
    run = Run(1).start().subscribe().publish()
    run.ack(run.deliver(1))
    assert run.ledger().holders(name(1)) == {"worker"}
    assert run.crash().ledger().holders(name(1)) == frozenset()
    assert run.start().subscribe().ledger().holders(name(1)) == frozenset()


def test_open_subscriptions() -> None:
    """They are open until their end is seen."""
    run = Run(1).subscribe().subscribe("mail", link="mailer")
    assert sorted(run.ledger().subscriptions()) == ["mail", "orders"]
    run.lose().on_channel(e.Unsubscribed, "mailer", consumer_tag="mailer-mail")
    assert run.ledger().subscriptions() == {}


def test_incremental_and_rebuilt_are_the_same() -> None:
    """A ledger that was kept up knows what one made afterwards knows."""
    run = Run(5).subscribe().publish().work(1, 2)
    run.deliver(3)
    run.lose().subscribe().work(3, 4, redelivered=True).census(times=2)
    kept = Ledger(run.messages)
    for event in run.events:
        kept.apply(event)
    made = run.ledger()
    assert {k: [c.state for c in r.copies] for k, r in kept.records.items()} == {
        k: [c.state for c in r.copies] for k, r in made.records.items()
    }
    assert (kept.progress, kept.settled()) == (made.progress, made.settled())
