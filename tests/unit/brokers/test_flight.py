"""A flight: which messages are in the air, and what became of the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mqchaos.brokers.rabbitmq.flight import Flight
from pytest_mqchaos.experiment.workload.plan import plan
from pytest_mqchaos.model.faults import repeated_publish


def flight(count: int = 20, **options) -> Flight:
    """Return the flight of a small workload."""
    return Flight(plan(run="k3f9", seed=1, queue="q", count=count, **options))


def send(of: Flight, count: int) -> None:
    """Send so many messages."""
    for _ in range(count):
        of.sent()


def outcomes(of: Flight) -> dict[int, str]:
    """Return what became of the messages, by number."""
    return {int(name[-6:]): outcome for name, outcome in of.outcomes.items()}


def test_answers():
    """One by one, several at once, and a return that beats the confirm behind it."""
    one = flight(6)
    send(one, 6)
    one.answered(2, multiple=False, outcome="nacked")
    one.returned("q-k3f9-000003")
    one.answered(4, multiple=True, outcome="confirmed")
    assert outcomes(one) == {1: "confirmed", 2: "nacked", 3: "returned", 4: "confirmed"}
    assert one.in_air == 2
    assert one.progress() == "1 nacked, 2 confirmed, 1 returned, 2 unanswered"
    assert not one.landed
    one.answered(6, multiple=True, outcome="confirmed")
    assert one.landed


def test_a_lost_connection():
    """What was unanswered is indeterminate, unless it had come back; the next goes on with tag 1."""
    one = flight(6)
    send(one, 4)
    one.returned("q-k3f9-000002")
    one.answered(1, multiple=False, outcome="confirmed")
    one.lost()
    assert outcomes(one) == {1: "confirmed", 2: "returned", 3: "indeterminate", 4: "indeterminate"}
    one.launch()
    assert one.waiting.message.number == 5
    assert one.last_tag == 0
    send(one, 2)
    one.answered(2, multiple=True, outcome="confirmed")
    assert outcomes(one)[5] == outcomes(one)[6] == "confirmed"
    assert one.landed


def test_what_was_never_sent():
    """Failed are exactly the messages never written."""
    one = flight(4)
    send(one, 1)
    one.lost()
    assert [m.number for m in one.abandon()] == [2, 3, 4]
    assert outcomes(one) == {1: "indeterminate", 2: "failed", 3: "failed", 4: "failed"}
    assert one.abandon() == []


def test_the_window_begins_small_and_grows():
    """A first connection has few messages in the air; answers double it, up to a limit; a loss begins anew."""
    one = flight(5000)
    sizes = []
    while not one.landed:
        room = min(one.room(), 5000 - len(one.outcomes) - one.in_air)
        sizes.append(room)
        send(one, room)
        one.answered(one.last_tag, multiple=True, outcome="confirmed")
    assert sizes[:7] == [8, 16, 32, 64, 128, 256, 256]
    assert max(sizes) == 256
    one = flight(5000)
    send(one, 8)
    one.answered(8, multiple=True, outcome="confirmed")
    assert one.room() == 16
    one.lost()
    one.launch()
    assert one.room() == 8


@pytest.mark.parametrize(("count", "widest"), [(1, 8), (100, 8), (400, 25), (1000, 62), (100_000, 256)])
def test_the_window_of_a_small_plan_stays_small(count, widest):
    """At most a sixteenth of it is ever beyond judging."""
    one = flight(count, body=b"")
    while not one.landed and one.room() < widest:
        send(one, one.room())
        one.answered(one.last_tag, multiple=True, outcome="confirmed")
    assert one.room() == widest


def test_refilled_by_halves():
    """No room until half of the window is free: batches are what makes it fast."""
    one = flight(100)
    send(one, 8)
    assert one.room() == 0
    one.answered(3, multiple=True, outcome="confirmed")
    assert one.room() == 0
    one.answered(4, multiple=True, outcome="confirmed")
    assert one.room() == 4


def test_large_bodies_fill_the_air():
    """Megabytes count more than messages do, and one is always let through."""
    one = flight(5, body=b"x" * 3_000_000)
    assert one.room() > 0
    send(one, 2)
    assert one.room() == 0
    one.answered(2, multiple=True, outcome="confirmed")
    assert one.room() > 0


def test_due_times():
    """The first message is due at once, the others by the schedule counted from there; late ones at once."""
    one = flight(3, rate=10)
    assert one.wait_for_next(100.0) == 0.0
    one.sent()
    assert one.wait_for_next(100.0) == pytest.approx(0.1)
    assert one.wait_for_next(107.0) == pytest.approx(-6.9)
    one.sent()
    assert one.wait_for_next(100.1) == pytest.approx(0.1)


@given(st.lists(st.tuples(st.sampled_from("sarlx"), st.integers(0, 40), st.booleans()), max_size=60))
def test_every_message_has_one_fate(steps):
    """Whatever happens, each message is sent once at most, and is at last of exactly one outcome."""
    one = flight(30)
    sent = []
    for step, number, multiple in steps:
        if step == "s" and one.waiting is not None:
            sent.append(one.waiting.message.number)
            one.sent()
        elif step == "a" and one.last_tag:
            one.answered(min(number, one.last_tag), multiple=multiple, outcome="confirmed")
        elif step == "r" and sent:
            one.returned(f"q-k3f9-{sent[-1]:06d}")
        elif step == "l":
            one.lost()
            one.launch()
        elif step == "x" and one.waiting is not None:
            one.failed()
    assert len(sent) == len(set(sent))
    assert sent == sorted(sent)
    one.lost()
    one.abandon()
    assert one.landed
    assert len(one.outcomes) == 30
    assert {n for n, outcome in outcomes(one).items() if outcome == "failed"} == set(range(1, 31)) - set(sent)


def twice() -> Flight:
    """Return the flight of one message that is sent twice."""
    return flight(1, faults=[repeated_publish()])


@pytest.mark.parametrize(
    ("first", "second", "known"),
    [
        ("confirmed", "confirmed", "confirmed"),
        ("confirmed", "nacked", "confirmed"),
        ("confirmed", None, "confirmed"),
        ("nacked", "confirmed", "confirmed"),
        (None, "confirmed", "confirmed"),
        (None, "nacked", "nacked"),
        (None, None, "indeterminate"),
        ("sent", None, "sent"),
    ],
)
def test_of_a_message_sent_twice_the_better_is_known(first, second, known):
    """The broker has it if it has one of the two; None is a connection that was lost before the answer."""
    one = twice()
    for outcome in (first, second):
        one.sent()
        if outcome is None:
            one.lost()
            one.launch()
        else:
            one.answered(one.last_tag, multiple=False, outcome=outcome)
    assert one.landed
    assert outcomes(one) == {1: known}
    assert one.progress() == f"1 {known}"


def test_a_repetition_that_was_never_sent():
    """It is no message that was never sent: that was, or is named once."""
    one = twice()
    one.sent()
    assert one.progress() == "1 unanswered, 1 not sent"
    one.answered(1, multiple=False, outcome="confirmed")
    assert one.abandon() == []
    assert outcomes(one) == {1: "confirmed"}
    one = twice()
    assert [m.number for m in one.abandon()] == [1]
    assert outcomes(one) == {1: "failed"}
    one = twice()
    one.sent()
    one.lost()
    assert one.abandon() == []
    assert outcomes(one) == {1: "indeterminate"}
