"""How often a message's work arrived at a queue, from what was sent and what was seen there."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_mqchaos.effects.arrivals import Arrivals


def told(sent: int, *seen: bool, others: bool = False) -> int:
    """Return how often one message counts; what is true was handed out before."""
    arrivals = Arrivals()
    if others:
        arrivals.sent("a", own=False)
    for _ in range(sent):
        arrivals.sent("a")
    for again in seen:
        arrivals.arrived("a", again=again)
    return arrivals.more().get("a", 0)


def test_what_was_sent_once_and_seen_once() -> None:
    """It is one effect, and told once."""
    arrivals = Arrivals()
    arrivals.sent("a")
    assert arrivals.more() == {}
    arrivals.arrived("a", again=False)
    assert arrivals.more() == {"a": 1}
    assert arrivals.more() == {}


def test_what_was_sent_and_never_arrived_is_no_effect() -> None:
    """A connection that was cut has eaten it: of two that were sent one is there."""
    assert told(1) == 0
    assert told(2, False) == 1


def test_what_is_handed_out_again_counts_once() -> None:
    """Whether or not it was seen before."""
    assert told(1, False, True) == 1
    assert told(1, True) == 1
    assert told(2, False, True, True) == 1


def test_a_broker_that_forgot_hands_out_as_if_for_the_first_time() -> None:
    """Nothing arrives more often than it was sent."""
    assert told(1, False, False) == 1
    assert told(2, False, False, False) == 2


def test_what_was_published_past_every_link_counts_as_seen() -> None:
    """Unless it is known who sent it, and that it is somebody else's work."""
    assert told(0, False, False) == 2
    assert told(0, False, others=True) == 0
    assert told(1, False, False, others=True) == 1


def test_what_was_sent_is_known_late() -> None:
    """The count grows, and what was told stays."""
    arrivals = Arrivals()
    arrivals.sent("a")
    arrivals.arrived("a", again=False)
    arrivals.arrived("a", again=False)
    assert arrivals.more() == {"a": 1}
    arrivals.sent("a")
    assert arrivals.more() == {"a": 1}


@given(st.lists(st.sampled_from(["send", "first", "again", "tell"])))
def test_it_never_tells_more_than_was_sent_or_seen(steps: list[str]) -> None:
    """However they come."""
    arrivals, sent, seen, total = Arrivals(), 0, 0, 0
    arrivals.sent("a", own=False)
    for step in [*steps, "tell"]:
        if step == "send":
            arrivals.sent("a")
            sent += 1
        elif step == "tell":
            total += arrivals.more().get("a", 0)
        else:
            arrivals.arrived("a", again=step == "again")
            seen += 1
        assert total <= min(sent, seen)
    assert total == arrivals.count("a")
