"""What clients declare on their links, by plain names; and names that are not the run's."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_mqchaos.link.survey import Survey
from pytest_mqchaos.model.declared import Declared
from pytest_mqchaos.model.names import Names
from pytest_mqchaos.wire.amqp import events as wire

PREFIX = "mqchaos-k3f9-77a1f4c1d."


def declared_queue(queue: str, **fields: Any) -> wire.QueueDeclared:
    """A declaration of a durable queue."""
    known = {"durable": True, "exclusive": False, "auto_delete": False, "passive": False, "arguments": {}}
    return wire.QueueDeclared(channel=1, queue=queue, **(known | fields))


def subscribed(queue: str) -> wire.Subscribed:
    """A subscription."""
    return wire.Subscribed(1, "c", queue, False, False, 10, {})


@pytest.fixture
def survey() -> Survey:
    """A survey of a run with a prefix."""
    return Survey(Declared(), Names(PREFIX))


def test_a_topology(survey: Survey) -> None:
    """Exchanges, queues and bindings are kept as a test names them."""
    events = [
        wire.ExchangeDeclared(1, f"{PREFIX}events", "topic", True, False, False, False, {}),
        declared_queue(
            f"{PREFIX}orders", arguments={"x-dead-letter-exchange": f"{PREFIX}dlx", "x-max-length": 3}
        ),
        wire.QueueBound(1, f"{PREFIX}orders", f"{PREFIX}events", "orders.#", {}),
        wire.ExchangeBound(1, f"{PREFIX}events", f"{PREFIX}all", "#", {}),
        wire.ExchangeDeclared(1, f"{PREFIX}all", "fanout", True, False, False, False, {}),
    ]
    for event in events:
        survey.saw("worker", event)
    topology = survey.declared.topology()
    assert topology.leads_to("all", "orders.new") == {"orders"}
    assert survey.declared.queues["orders"].arguments == {"x-dead-letter-exchange": "dlx", "x-max-length": 3}
    survey.saw("worker", wire.QueueUnbound(1, f"{PREFIX}orders", f"{PREFIX}events", "orders.#"))
    assert survey.declared.topology().leads_to("all", "orders.new") == set()
    assert survey.declared.breach == ""


def test_a_passive_declaration(survey: Survey) -> None:
    """Says that there is such a queue, and no more."""
    survey.saw("worker", declared_queue(f"{PREFIX}orders", passive=True))
    assert not survey.declared.queues["orders"].known


def test_reading_what_others_may_read(survey: Survey) -> None:
    """A name without the prefix is everybody's."""
    survey.saw("worker", subscribed("orders"))
    assert survey.declared.breach.startswith("worker reads 'orders', which has not this run's prefix")
    assert "$MQCHAOS_PREFIX" in survey.declared.breach


@pytest.mark.parametrize("private", [{"exclusive": True}, {"auto_delete": True}])
def test_queues_that_end_with_their_consumer(survey: Survey, private: dict[str, bool]) -> None:
    """A client's own control queue, or a reply queue that the broker names, is nobody else's."""
    survey.saw("worker", declared_queue("worker.pidbox", **private))
    survey.saw("worker", subscribed("worker.pidbox"))
    survey.saw("worker", subscribed("amq.gen-xyz"))
    assert survey.declared.breach == ""


def test_publishing_to_others(survey: Survey) -> None:
    """A message of the run has to stay in it."""
    survey.publishes("worker", "", f"{PREFIX}orders.dead")
    assert survey.declared.breach == ""
    assert "orders.dead" in survey.declared.queues
    survey.publishes("worker", "events", "orders.new")
    assert survey.declared.breach.startswith("worker publishes to 'events'")


def test_without_a_prefix() -> None:
    """Nothing is anybody else's."""
    survey = Survey(Declared(), Names())
    survey.saw("worker", subscribed("orders"))
    survey.publishes("worker", "events", "k")
    assert survey.declared.breach == ""
