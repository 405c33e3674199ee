"""Names with a prefix and without, and what was declared under them."""

from __future__ import annotations

import pytest

from pytest_mqchaos.model.declared import Declaration, Declared
from pytest_mqchaos.model.events import Delivered, LinkOpened
from pytest_mqchaos.model.names import Names
from pytest_mqchaos.model.topology import Binding

OURS = Names("mqchaos-k3f9-77a1f4c1d.")


@pytest.mark.parametrize(
    ("plain", "full"),
    [
        ("orders", "mqchaos-k3f9-77a1f4c1d.orders"),
        ("mqchaos-k3f9-77a1f4c1d.orders", "mqchaos-k3f9-77a1f4c1d.orders"),
        ("amq.topic", "amq.topic"),
        ("", ""),
    ],
)
def test_full_names(plain: str, full: str) -> None:
    """The default exchange and the broker's own names stay; a full name is not made fuller."""
    assert OURS.full(plain) == full
    assert Names().full(plain) == plain


def test_outside() -> None:
    """Without a prefix nothing is; with one, all that others may name too."""
    assert OURS.outside("orders")
    assert not OURS.outside(OURS.full("orders"))
    assert not OURS.outside("amq.gen-x")
    assert not OURS.outside("")
    assert not Names().outside("orders")


def test_keys() -> None:
    """To the default exchange a key is a queue's name; elsewhere it is a word of the application."""
    assert OURS.key("", "orders") == OURS.full("orders")
    assert OURS.key("events", "orders.new") == "orders.new"


def test_arguments() -> None:
    """A dead-letter exchange is a name; its key is one only where it leads to a queue directly."""
    by_exchange = {"x-dead-letter-exchange": "dlx", "x-dead-letter-routing-key": "k", "x-max-length": 3}
    assert OURS.arguments(by_exchange) == {**by_exchange, "x-dead-letter-exchange": OURS.full("dlx")}
    to_queue = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    assert OURS.arguments(to_queue) == {**to_queue, "x-dead-letter-routing-key": OURS.full("dead")}
    assert Names().arguments(by_exchange) is by_exchange


def test_facts_become_plain() -> None:
    """Each name in them; what has none stays as it is."""
    fact = Delivered(at=1, link="worker", connection=1, message=None, tag=1, queue=OURS.full("orders"),
                     exchange="", routing_key=OURS.full("orders"))  # fmt: skip
    plain = OURS.plainly(fact)
    assert (plain.queue, plain.exchange, plain.routing_key) == ("orders", "", "orders")
    opened = LinkOpened(at=1, link="worker", connection=1)
    assert OURS.plainly(opened) is opened
    assert Names().plainly(fact) is fact


def binding(exchange: str, destination: str, kind: str = "queue") -> Binding:
    """A binding with the key `k`."""
    return Binding(exchange=exchange, destination=destination, kind=kind, routing_key="k")


def test_declared_topology() -> None:
    """What was seen leads somewhere; what is deleted takes its bindings with it."""
    declared = Declared()
    declared.exchange("events", "topic")
    declared.exchange("all", "fanout")
    declared.queue(Declaration(name="orders"))
    declared.bind(binding("events", "orders"))
    declared.bind(binding("all", "events", "exchange"))
    topology = declared.topology()
    assert topology.leads_to("all", "k") == topology.leads_to("events", "k") == {"orders"}
    assert topology.leads_to("", "orders") == {"orders"}
    assert not topology.complete
    declared.unbind(binding("all", "events", "exchange"))
    assert declared.topology().leads_to("all", "k") == set()
    declared.delete("queue", "orders")
    assert declared.topology().leads_to("events", "k") == set()
    assert set(declared.ever) == {("queue", "orders"), ("exchange", "all"), ("exchange", "events")}


def test_a_mention_hides_nothing() -> None:
    """A passive declaration says nothing of what the queue is."""
    declared = Declared()
    declared.queue(Declaration(name="orders", known=False))
    assert not declared.queues["orders"].known
    declared.queue(Declaration(name="orders", arguments={"x-max-length": 3}))
    declared.queue(Declaration(name="orders", known=False))
    assert declared.queues["orders"].arguments == {"x-max-length": 3}
