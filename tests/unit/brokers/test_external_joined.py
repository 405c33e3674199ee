"""Two halves of a census, joined: exact where they agree, doubted where they cannot, pending where they may yet."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_mqchaos.brokers.rabbitmq.counter import Answer
from pytest_mqchaos.brokers.rabbitmq.joined import Settings, join, with_drift
from pytest_mqchaos.brokers.rabbitmq.policies import in_force
from pytest_mqchaos.model.sight import Held, Sight
from pytest_mqchaos.model.topology import QueueState

KNOWN = Settings(type="classic", arguments={}, policy={})


def one(
    answer: Answer, held: Held | None = None, settings: Settings = KNOWN, **options: Any
) -> tuple[QueueState, str]:
    """Join one queue; return its state and what is pending."""
    joined = join({"orders": answer}, Sight({"orders": held or Held()}), {"orders": settings}, **options)
    (state,) = joined.queues
    return state, joined.pending.get("orders", "")


def test_both_halves() -> None:
    """Ready is the queue's word, in hand the wire's; where they agree it is exact at once."""
    state, pending = one(Answer(ready=5, consumers=2), Held(coming=5, in_hand=3, consumers=2))
    assert (state.ready, state.unacknowledged, state.consumers) == (5, 3, 2)
    assert (state.exact, pending, state.settings_known) == (True, "", True)


def test_more_than_expected_is_no_doubt() -> None:
    """Messages that are not ours may be there."""
    state, pending = one(Answer(ready=9), Held(coming=5))
    assert (state.exact, pending) == (True, "")


def test_what_is_missing_is_pending() -> None:
    """Given back or never seen, and not there: on its way, or gone; when all stood still it counts."""
    state, pending = one(Answer(ready=3), Held(coming=5))
    assert pending == "2 of its messages are not seen anywhere"
    assert (state.ready, state.exact) == (3, True)


def test_what_is_missing_behind_a_silent_link_is_never_certain() -> None:
    """Deliveries may be on their way to a wire that cannot be asked."""
    state, _ = one(Answer(ready=3, consumers=1), Held(coming=5, consumers=1), loose={"orders"})
    assert not state.exact
    assert "a link that reads it does not answer" in state.doubt


@pytest.mark.parametrize(
    ("answer", "held", "doubt"),
    [
        (Answer(consumers=2), Held(consumers=1), "1 of its consumers is not on a link of this run"),
        (Answer(consumers=3), Held(), "3 of its consumers are not on a link of this run"),
        (Answer(), Held(consumers=1), "it counts 0 consumers, where 1 are subscribed"),
        (Answer(late=True), Held(), "it took so long to answer that its owner may be away"),
    ],
)
def test_doubts(answer: Answer, held: Held, doubt: str) -> None:
    """What strangers hold, and what a queue without a leader says, nobody knows."""
    state, pending = one(answer, held)
    assert (state.exact, state.doubt, pending) == (False, doubt, doubt)


def test_an_exclusive_queue_is_counted_by_the_wire() -> None:
    """Only its own connection may ask it: exact where nothing that leads to it is unseen."""
    state, pending = one(Answer(locked=True), Held(consumers=1))
    assert (state.ready, state.exact, pending) == (0, True, "")
    state, pending = one(Answer(locked=True), Held(coming=2, consumers=1))
    assert (state.ready, state.exact) == (2, False)
    assert "exclusive" in state.doubt


def test_a_stream_is_not_judged() -> None:
    """It keeps what was read."""
    state, _ = one(Answer(ready=5), settings=Settings(type="stream", arguments={}, policy={}))
    assert (state.exact, state.doubt) == (False, "a stream is not judged")


def test_settlements_on_their_way() -> None:
    """They are pending; behind a link that does not answer they count as unacknowledged."""
    held = Held(in_hand=1, settling=4)
    state, pending = one(Answer(), held)
    assert (pending, state.unacknowledged) == ("acknowledgements are on their way", 1)
    state, _ = one(Answer(), held, loose={"orders"})
    assert state.unacknowledged == 5


def test_settings_that_nobody_could_ask_for() -> None:
    """Without policies, or without arguments, a limit or dead-letter exchange may be in force."""
    assert not one(Answer(), settings=Settings(arguments={}))[0].settings_known
    assert not one(Answer(), settings=Settings(policy={}))[0].settings_known


@pytest.mark.parametrize(
    ("arguments", "major", "limit"),
    [({}, 3, None), ({}, 4, 20), ({"x-delivery-limit": 5}, 4, 5), ({"x-delivery-limit": -1}, 4, None)],
)
def test_the_limit_of_a_quorum_queue(arguments: dict[str, Any], major: int, limit: int | None) -> None:
    """RabbitMQ 4 has one where nobody set any."""
    settings = Settings(type="quorum", arguments=arguments, policy={})
    assert one(Answer(), settings=settings, major=major)[0].delivery_limit == limit


def test_dead_letters_that_are_nowhere() -> None:
    """Pending; in the end they are in transit only where their queue keeps them until another one has them."""
    safe = {"x-dead-letter-strategy": "at-least-once"}
    for arguments, transit in (({}, 0), (safe, 0), ({**safe, "x-overflow": "reject-publish"}, 2)):
        settings = {"orders": Settings(type="quorum", arguments=arguments, policy={})}
        joined = with_drift(join({"orders": Answer()}, Sight(), settings), {"orders": 2})
        assert joined.pending == {"orders": "2 of its dead letters have not arrived"}
        assert joined.queues[0].transit == transit


def test_a_queue_that_delays_what_is_given_back() -> None:
    """What it keeps for a while is in transit, and not gone."""
    settings = Settings(type="quorum", arguments={"x-delayed-retry-type": "all"}, policy={})
    assert one(Answer(ready=1), Held(coming=3), settings)[0].transit == 2


def policy(pattern: str, priority: int = 0, kind: str = "queues", **definition: Any) -> dict[str, Any]:
    """A policy as the API lists it."""
    named = {name.replace("_", "-"): value for name, value in definition.items()}
    return {"pattern": pattern, "apply-to": kind, "priority": priority, "definition": named}


def test_the_policy_in_force() -> None:
    """Of those that match and are for that sort of queue, the one of the highest priority, whole."""
    policies = [
        policy("^orders", 1, max_length=10),
        policy(".*", 0, max_length=5, overflow="drop-head"),
        policy("^orders", 9, "quorum_queues", max_length=1),
        policy("^orders", 9, "exchanges", max_length=2),
    ]
    assert in_force("orders", "classic", policies, []) == {"max-length": 10}
    assert in_force("orders", "quorum", policies, []) == {"max-length": 1}
    assert in_force("other", "classic", policies, []) == {"max-length": 5, "overflow": "drop-head"}
    assert in_force("other", "classic", [], []) == {}


def test_an_operators_policy_lowers_limits() -> None:
    """Of two limits the lower one holds, and what else an operator says."""
    own, operator = [policy(".*", max_length=10, expires=5)], [policy(".*", max_length=20, message_ttl=7)]
    assert in_force("q", "classic", own, operator) == {"max-length": 10, "expires": 5, "message-ttl": 7}


def test_a_pattern_that_is_none_of_pythons() -> None:
    """May hold."""
    assert in_force("q", "classic", [policy("(?<x", max_length=1)], []) == {"max-length": 1}
