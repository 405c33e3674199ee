"""The settings in force, out of arguments and policy, as RabbitMQ joins them."""

import pytest

from pytest_mqchaos.brokers.rabbitmq.census import queue_state, topology
from pytest_mqchaos.model.topology import Binding

ANSWER = {
    "name": "orders",
    "type": "classic",
    "durable": True,
    "exclusive": False,
    "auto_delete": False,
    "ready": 3,
    "unacknowledged": 2,
    "transit": 1,
    "consumers": 1,
    "arguments": {},
    "policy": {},
    "exact": True,
    "limit": None,
}


def state(**changes):
    """The state of an answer with changes."""
    return queue_state({**ANSWER, **changes})


def test_counts_are_taken_over():
    """The counts of the answer are those of the state, and add up to all its messages."""
    one = state()
    assert (one.ready, one.unacknowledged, one.transit, one.messages, one.exact) == (3, 2, 1, 6, True)


def test_nothing_set_is_none():
    """A queue without arguments and policy has no dead-letter exchange, no limit and no time to live."""
    one = state()
    assert (one.dead_letter_exchange, one.message_ttl, one.expires, one.max_length, one.overflow) == (
        None,
    ) * 5


@pytest.mark.parametrize(
    ("arguments", "policy", "expected"),
    [
        ({"x-message-ttl": 1500}, {}, 1.5),
        ({}, {"message-ttl": 250}, 0.25),
        ({"x-message-ttl": 1500}, {"message-ttl": 250}, 0.25),
        ({"x-message-ttl": 0}, {"message-ttl": 250}, 0.0),
    ],
)
def test_the_smaller_time_holds(arguments, policy, expected):
    """Of two times to live the smaller one is in force, in seconds, zero included."""
    assert state(arguments=arguments, policy=policy).message_ttl == expected


def test_the_argument_wins_over_the_policy_for_names():
    """The dead-letter exchange of the argument holds, also an empty one (the default exchange)."""
    one = state(arguments={"x-dead-letter-exchange": ""}, policy={"dead-letter-exchange": "dead"})
    assert one.dead_letter_exchange == ""


def test_a_policy_alone_names_the_dead_letter_exchange():
    """Exchange and routing key may come from the policy alone."""
    one = state(
        policy={"dead-letter-exchange": "dead", "dead-letter-routing-key": "k", "overflow": "drop-head"}
    )
    assert (one.dead_letter_exchange, one.dead_letter_routing_key, one.overflow) == ("dead", "k", "drop-head")


def test_the_brokers_own_limit_wins():
    """A quorum queue's delivery limit is what its leader says (20 on 4.x though nobody set one)."""
    assert state(type="quorum", limit=20).delivery_limit == 20
    assert state(type="quorum", limit=3, arguments={"x-delivery-limit": 9}).delivery_limit == 3


@pytest.mark.parametrize(("kind", "limit"), [("quorum", -1), ("quorum", None), ("classic", 20)])
def test_no_limit_is_none(kind, limit):
    """An unlimited quorum queue has no delivery limit, nor has any classic one."""
    assert state(type=kind, limit=limit).delivery_limit is None


def test_bindings_are_sorted():
    """A topology has its bindings in an order of its own, whatever the broker's."""
    rows = [
        {"exchange": e, "destination": d, "kind": "queue", "routing_key": d, "arguments": {}}
        for e, d in (("b", "x"), ("", "z"), ("", "a"))
    ]
    got = topology({"exchanges": {"": "direct"}, "bindings": rows})
    assert [(b.exchange, b.destination) for b in got.bindings] == [("", "a"), ("", "z"), ("b", "x")]
    assert isinstance(got.bindings[0], Binding)
