"""Where a message leads: the routing of the exchange types, without a broker."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mqchaos.model.topology import Binding, Topology


def bound(exchange, destination, routing_key="", *, kind="queue"):
    """Return a binding."""
    return Binding(exchange=exchange, destination=destination, kind=kind, routing_key=routing_key)


def test_the_default_exchange_leads_to_the_queue_of_that_name():
    """A routing key is a queue's name at the default exchange."""
    topology = Topology(exchanges={"": "direct"}, bindings=(bound("", "a", "a"), bound("", "b", "b")))
    assert topology.leads_to("", "a") == {"a"}
    assert topology.leads_to("", "c") == frozenset()


def test_a_fanout_leads_everywhere():
    """A fanout exchange minds no routing key."""
    topology = Topology(exchanges={"f": "fanout"}, bindings=(bound("f", "a", "x"), bound("f", "b")))
    assert topology.leads_to("f", "whatever") == {"a", "b"}


def test_exchange_to_exchange_bindings_are_followed_once():
    """A circle of exchanges ends, and what hangs on it is reached."""
    topology = Topology(
        exchanges={"a": "fanout", "b": "direct"},
        bindings=(
            bound("a", "b", kind="exchange"),
            bound("b", "a", "k", kind="exchange"),
            bound("b", "q", "k"),
        ),
    )
    assert topology.leads_to("a", "k") == {"q"}
    assert topology.leads_to("a", "other") == frozenset()


def test_an_exchange_of_unknown_rules_may_lead_to_all_of_its_queues():
    """Headers and plugin exchanges count with every binding."""
    topology = Topology(
        exchanges={"h": "headers", "x": "x-hash"}, bindings=(bound("h", "a"), bound("x", "b", "9"))
    )
    assert topology.leads_to("h", "k") == {"a"}
    assert topology.leads_to("x", "k") == {"b"}


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("orders.*", "orders.new", True),
        ("orders.*", "orders", False),
        ("orders.*", "orders.new.eu", False),
        ("orders.#", "orders", True),
        ("orders.#", "orders.new.eu", True),
        ("#", "", True),
        ("#.eu", "orders.new.eu", True),
        ("#.eu", "orders.new.us", False),
        ("*.#.eu", "eu", False),
        ("a.#.b.#", "a.x.b.y", True),
    ],
)
def test_topic_patterns(pattern, key, matches):
    """A star is one word, a hash any number of them."""
    topology = Topology(exchanges={"t": "topic"}, bindings=(bound("t", "q", pattern),))
    assert bool(topology.leads_to("t", key)) is matches


@given(
    pattern=st.lists(st.sampled_from(["a", "b", "*", "#"]), min_size=1, max_size=5),
    words=st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=5),
)
def test_topic_patterns_as_an_expression(pattern, words):
    """A topic pattern covers what the same pattern covers as a regular expression over words."""
    parts = {"*": r"(?:\w ?)", "#": r"(?:\w ?)*"}
    expression = "".join(parts.get(part, f"(?:{part} ?)") for part in pattern)
    topology = Topology(exchanges={"t": "topic"}, bindings=(bound("t", "q", ".".join(pattern)),))
    matches = re.fullmatch(expression, " ".join(words)) is not None
    assert bool(topology.leads_to("t", ".".join(words))) is matches
