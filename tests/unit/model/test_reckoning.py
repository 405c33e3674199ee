"""Reckoning: what an exact count of a queue proves about copies that the wire cannot place."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "checks"))  # the builders of the checks' tests

from check_builders import Run, name, numbers, queue

from pytest_mqchaos.model import events as e


def reckoned(run: Run, ready: int, **settings: Any) -> list[int]:
    """End the run with so many messages ready in `orders`, and return the numbers of those surely there."""
    run.unsettled(queue("orders", ready=ready, **settings))
    return sorted(numbers(run.ledger().end.reckoned["orders"].certain))


def states(run: Run) -> list[str]:
    """Return the state of each message's first copy, `-` for one that was never delivered."""
    records = run.ledger().records.values()
    return [record.copies[0].state if record.copies else "-" for record in records]


def left_after_acks(count: int = 6, acked: int = 3, **fields: Any) -> Run:
    """A consumer acknowledges some messages, has another one in hand, and loses its link for good."""
    run = Run(count, **fields).start().subscribe(prefetch=1).publish().work(*range(1, acked + 1))
    run.deliver(acked + 1)
    return run.lose()


def test_as_many_as_must_be_there() -> None:
    """Where the queue holds no more than what was never acknowledged, every ack arrived."""
    run = left_after_acks()
    assert reckoned(run, 3) == [4, 5, 6]
    assert states(run) == ["settled", "settled", "settled", "ready", "-", "-"]
    assert not run.ledger().records[name(1)].pending


def test_as_many_as_can_be_there() -> None:
    """Where the queue holds all that may be there, every ack was eaten."""
    run = left_after_acks()
    assert reckoned(run, 6) == [1, 2, 3, 4, 5, 6]
    assert [copy.settlement for copy in run.ledger().records[name(1)].copies] == [""]


def test_acks_of_a_channel_arrive_in_their_order() -> None:
    """One too many: of the acks of one channel it was the last that was eaten."""
    assert reckoned(left_after_acks(), 4) == [3, 4, 5, 6]


def test_acks_of_two_channels() -> None:
    """One too many of two channels: the last of either; what is before the last of each has arrived."""
    run = Run(4).start("worker").start("other").subscribe().subscribe(link="other").publish()
    for number, link in enumerate(["worker", "other", "worker", "other"], start=1):
        run.work(number, link=link)
    run.lose().lose("other")
    assert reckoned(run, 1) == []
    assert states(run) == ["settled", "settled", "ready", "ready"]


def test_acks_of_two_channels_of_which_one_is_told_by_the_count() -> None:
    """Three of four of two channels: at least the last of each is there."""
    run = Run(4).start("worker").start("other").subscribe().subscribe(link="other").publish()
    for number, link in enumerate(["worker", "other", "worker", "other"], start=1):
        run.work(number, link=link)
    run.lose().lose("other")
    assert reckoned(run, 3) == [3, 4]


def test_a_publication_without_an_answer_may_be_there() -> None:
    """An indeterminate publish is never named for sure, and leaves room for doubt about acks."""
    run = Run(3).start().subscribe().publish(1, 2).publish(3, confirm=False).work(1)
    run.lose("publisher").lose()
    assert reckoned(run, 2) == [2]
    assert states(run)[0] == "ready"


def test_where_all_is_there_an_indeterminate_publish_is_named() -> None:
    """The count says that it arrived."""
    run = Run(3).start().subscribe().publish(1, 2).publish(3, confirm=False).work(1)
    run.lose("publisher").lose()
    assert reckoned(run, 3) == [1, 2, 3]


def test_foreign_messages_may_stand_there_too() -> None:
    """Where others' messages were seen, more than must be there proves nothing."""
    run = Run(4).start().subscribe().publish().work(1, 2)
    run.ack(run.deliver(None)).lose()
    assert reckoned(run, 4) == [3, 4]


def test_dead_letters_may_come() -> None:
    """Into a queue that dead letters lead to, more may come than were published there."""
    run = left_after_acks()
    wait = queue("wait", dead_letter_exchange="", dead_letter_routing_key="orders", message_ttl=60.0)
    run.unsettled(queue("orders", ready=4), wait)
    assert sorted(numbers(run.ledger().end.reckoned["orders"].certain)) == [4, 5, 6]


@pytest.mark.parametrize("limit", [{"message_ttl": 5.0}, {"max_length": 10}, {"max_length_bytes": 10}])
def test_a_queue_that_takes_messages_away(limit: dict[str, Any]) -> None:
    """Nothing is surely in a queue that drops messages by itself, unless all that can be there is."""
    assert reckoned(left_after_acks(), 3, **limit) == []
    assert reckoned(left_after_acks(), 6, **limit) == [1, 2, 3, 4, 5, 6]


def test_a_queue_whose_policies_nobody_could_ask_for() -> None:
    """One of them may drop messages: fewer than must be there is no proof of a loss, and nothing is surely there."""
    assert reckoned(left_after_acks(), 3, settings_known=False) == []
    run = left_after_acks()
    run.unsettled(queue("orders", ready=1, settings_known=False))
    assert run.ledger().end.reckoned["orders"].short == 0


def test_a_message_with_its_own_expiration() -> None:
    """What expires by itself is not surely there."""
    run = Run(2).start().subscribe()
    for number in (1, 2):
        expiration = "100" if number == 1 else None
        run.add(e.Published, message=name(number), routing_key="orders", expiration=expiration,
                link="publisher", connection=1, channel=1)  # fmt: skip
        run.answer(number)
    assert reckoned(run, 1) == [2]


def test_a_queue_that_somebody_emptied() -> None:
    """A purge takes away what should be there."""
    run = left_after_acks().on_channel(e.QueuePurged, "other", queue="orders", count=3)
    assert reckoned(run, 1) == []


def test_fewer_than_must_be_there() -> None:
    """A broker that lost some: how many is known, and which are left is not."""
    run = left_after_acks()
    assert reckoned(run, 2) == []
    assert run.ledger().end.reckoned["orders"].short == 1
    assert states(run)[:3] == ["ready"] * 3


def test_a_broker_crash_forgets_acks() -> None:
    """After a crash, acks that were processed may come back: nothing is proved by a count."""
    run = Run(4).start().subscribe().publish().work(1, 2).barrier().restart_broker("crash")
    assert reckoned(run, 3) == []


def test_a_clean_restart_keeps_what_is_durable() -> None:
    """After a clean stop, persistent messages of durable queues are all there."""
    run = Run(4).start().subscribe().publish().work(1, 2).restart_broker()
    assert reckoned(run, 2) == [3, 4]
    run = Run(4, persistent=False).start().subscribe().publish().work(1, 2).restart_broker()
    assert reckoned(run, 2) == []


def test_at_the_delivery_limit() -> None:
    """What has reached its limit may be gone."""
    run = Run(2).start().subscribe().publish()
    for _ in range(2):
        run.nack(run.deliver(1))
    run.lose()
    assert reckoned(run, 1, type="quorum", delivery_limit=2) == [2]


def test_two_bound_queues() -> None:
    """Each queue of a fan-out is counted for itself."""
    run = Run(3, to="", expect=2).bind("events", "fanout", ("", "mail"), ("", "bill"))
    run.subscribe("mail").subscribe("bill", link="biller").publish(exchange="events", routing_key="")
    run.work(1, 2, queue_name="mail").work(1, 2, 3, queue_name="bill", link="biller").lose()
    run.unsettled(queue("mail", ready=1), queue("bill"))
    assert sorted(numbers(run.ledger().end.reckoned["mail"].certain)) == [3]


def test_a_binding_that_came_late() -> None:
    """A queue of an exchange may have been bound after a publication: fewer than expected prove no loss."""
    run = Run(3, to="", expect=2).bind("events", "fanout", ("", "mail"), ("", "bill"))
    run.subscribe("mail").publish(exchange="events", routing_key="").work(1, 2, 3, queue_name="mail")
    run.unsettled(queue("mail"), queue("bill", ready=2))
    assert run.ledger().end.reckoned["bill"].short == 0
    assert run.ledger().end.reckoned["bill"].certain == ()


def test_read_with_automatic_ack() -> None:
    """What was on its way to a link that was lost is gone, and nobody saw it: fewer prove nothing."""
    run = Run(5).start().subscribe(auto_ack=True).publish()
    run.deliver(1, auto_ack=True)
    run.lose().unsettled(queue("orders", ready=2))
    assert run.ledger().end.reckoned["orders"].short == 0
    run = Run(3).start().subscribe(auto_ack=True).publish()
    run.deliver(1, auto_ack=True)
    assert reckoned(run.lose(), 2) == [2, 3]


def test_a_dead_letter_exchange_that_leads_elsewhere() -> None:
    """Dead letters come only where their exchange leads to."""
    run = left_after_acks().bind("dlx", "direct", ("orders", "orders.dead"))
    dead = {"dead_letter_exchange": "dlx"}
    run.unsettled(queue("orders", ready=4, **dead), queue("orders.dead"))
    assert sorted(numbers(run.ledger().end.reckoned["orders"].certain)) == [3, 4, 5, 6]


def test_what_moved_since_the_census_before() -> None:
    """A count that may be older than the last delivery proves nothing."""
    run = Run(2).start().subscribe().publish().census(queue("orders", ready=2))
    run.work(1).lose().census(queue("orders", ready=1))
    run.add(e.SettleEnded, settled=False)
    assert run.ledger().end.reckoned["orders"].certain == ()


def test_an_inexact_count_proves_nothing() -> None:
    """Only an exact count is reckoned with."""
    run = left_after_acks().unsettled(queue("orders", ready=3, exact=False))
    assert "orders" not in run.ledger().end.reckoned


def test_in_hand_elsewhere() -> None:
    """What an open consumer holds is counted out of it."""
    run = left_after_acks().subscribe(link="other")
    run.deliver(5, link="other")
    run.unsettled(queue("orders", ready=2, unacknowledged=1))
    assert sorted(numbers(run.ledger().end.reckoned["orders"].certain)) == [4, 6]


def test_a_delivery_that_nobody_saw() -> None:
    """One unacknowledged more than is known: which of those that must be there is ready cannot be told."""
    run = left_after_acks().unsettled(queue("orders", ready=2, unacknowledged=1))
    assert run.ledger().end.reckoned["orders"].certain == ()
    assert states(run)[:3] == ["settled"] * 3


def test_the_ledger_that_was_kept_up_says_the_same() -> None:
    """A second settle goes on from what the first one reckoned."""
    run = left_after_acks().unsettled(queue("orders", ready=4))
    run.start().subscribe().work(3, 4, redelivered=True).work(5, 6).settled()
    assert [copy.state for record in run.ledger().records.values() for copy in record.copies] == [
        "settled"
    ] * 6
    assert not any(copy.conflicts for record in run.ledger().records.values() for copy in record.copies)
