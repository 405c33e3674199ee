"""Copies of messages that share their body, published without a name: one message stands for each."""

from __future__ import annotations

import pytest

from pytest_mqchaos.link.twins import Twins

ONE, TWO, THREE, FOUR = ((7, 1, tag) for tag in (1, 2, 3, 4))
"""Deliveries on one channel of connection 7."""


@pytest.fixture
def twins() -> Twins:
    """Three messages of one body, and one of its own, all in the hands of `worker`."""
    made = Twins()
    for message, digest in (("a", "same"), ("b", "same"), ("c", "same"), ("d", "other")):
        made.learn(message, digest)
    for message, digest in (("a", "same"), ("b", "same"), ("c", "same"), ("d", "other")):
        made.delivered("worker", message, digest)
    return made


def test_each_copy_has_a_message_of_its_own(twins: Twins) -> None:
    """As many are at rest as were handed on, and no more."""
    assert [twins.handed_on("worker", "same") for _ in range(4)] == ["a", "b", "c", None]
    assert twins.at_rest("same") == ("a", "b", "c")


def test_who_never_had_one_hands_none_on(twins: Twins) -> None:
    """What somebody else publishes with that body is his own; so is a body that one message has, or none."""
    assert twins.handed_on("other", "same") is None
    assert twins.handed_on("worker", "other") is None
    assert twins.handed_on("worker", None) is None
    assert twins.at_rest("same") == ()


def test_a_redelivery_may_be_handed_on_again(twins: Twins) -> None:
    """A consumer that dies between its publish and its ack parks a message twice."""
    assert twins.handed_on("worker", "same") == "a"
    twins.delivered("worker", "a", "same")
    twins.delivered("worker", "a", "same")
    assert [twins.handed_on("worker", "same") for _ in range(4)] == ["b", "c", "a", None]
    assert twins.at_rest("same") == ("a", "b", "c", "a")


def test_a_message_that_was_handed_on_twice_stands_for_two_copies_last() -> None:
    """Its first copy may have died on its way: what is there is then one of each."""
    retrying = Twins()
    for message in ("a", "b"):
        retrying.learn(message, "same")
    for message in ("a", "a", "b"):
        retrying.delivered("worker", message, "same")
        assert retrying.handed_on("worker", "same") == message
    assert retrying.at_rest("same") == ("a", "b", "a")


def test_a_copy_that_is_read_and_settled_is_gone(twins: Twins) -> None:
    """The later stage gets one after the other, and what it gives back comes again."""
    twins.handed_on("worker", "same")
    twins.handed_on("worker", "same")
    assert twins.came("later", "same", ONE, redelivered=False) == "a"
    assert twins.came("later", "same", TWO, redelivered=False) == "b"
    twins.settled(ONE, requeue=True)
    twins.settled(TWO, requeue=False)
    assert twins.at_rest("same") == ("a",)
    assert twins.came("later", "same", THREE, redelivered=True) == "a"
    twins.settled(THREE, requeue=False)
    twins.settled(THREE, requeue=False)
    assert twins.at_rest("same") == ()
    assert twins.came("later", "same", FOUR, redelivered=False) is None


def test_the_mark_of_a_redelivery_tells_which(twins: Twins) -> None:
    """One that was delivered before comes first where the broker says so, and last where it does not."""
    twins.handed_on("worker", "same")
    twins.handed_on("worker", "same")
    assert twins.came("later", "same", ONE, redelivered=False) == "a"
    twins.settled(ONE, requeue=True)
    assert twins.came("later", "same", TWO, redelivered=False) == "b"
    assert twins.came("later", "same", THREE, redelivered=True) == "a"


def test_a_later_try_is_handed_on_in_its_turn(twins: Twins) -> None:
    """Who gets a copy without a name has that message in hand."""
    twins.handed_on("worker", "same")
    assert twins.came("retry", "same", ONE, redelivered=False) == "a"
    assert twins.handed_on("retry", "same") == "a"
    twins.settled(ONE, requeue=False)
    assert twins.at_rest("same") == ("a",)


@pytest.mark.parametrize("channel", [1, None])
def test_what_was_in_hand_when_its_channel_ended_comes_again(twins: Twins, channel: int | None) -> None:
    """It was settled by nobody, however it comes back."""
    twins.handed_on("worker", "same")
    twins.handed_on("worker", "same")
    assert twins.came("later", "same", ONE, redelivered=False) == "a"
    twins.ended(7, 2)
    twins.ended(8, channel)
    twins.settled(ONE, requeue=True)
    assert twins.came("later", "same", ONE, redelivered=True) == "a"
    twins.ended(7, channel)
    twins.settled(ONE, requeue=False)
    assert twins.came("later", "same", TWO, redelivered=True) == "a"
    assert twins.at_rest("same") == ("a", "b")
