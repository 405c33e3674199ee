"""How old a queue is at least: facts in, seconds out."""

from __future__ import annotations

import pytest

from pytest_mqchaos.experiment.striking.ages import Ages
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import History
from pytest_mqchaos.model.topology import QueueState, Topology

NOW = 10_000_000_000


@pytest.fixture
def history() -> History:
    """A run's history."""
    return History("k3f9")


@pytest.fixture
def ages(history: History) -> Ages:
    """Its queues' ages, ten seconds after the clock began."""
    return Ages(history, clock=lambda: NOW)


def at(seconds: float) -> int:
    """A time on the clock."""
    return int(seconds * 1e9)


def test_a_queue_is_as_old_as_its_first_trace(history: History, ages: Ages) -> None:
    """Whatever told of it: it was there by then."""
    history.append(facts.Subscribed(at=at(4), link="worker", connection=1, consumer_tag="c", queue="orders"))
    history.append(facts.QueueDeclared(at=at(6), link="worker", connection=1, queue="orders"))
    history.append(facts.Delivered(at=at(7), link="w", connection=1, message=None, tag=1, queue="audit"))
    assert ages.of("orders") == 6
    assert ages.of("audit") == 3


def test_a_queue_without_a_trace_is_new(history: History, ages: Ages) -> None:
    """It may have been declared this moment; from then on it ages."""
    assert ages.of("orders") == 0
    ages.known("orders", at=at(2))
    assert ages.of("orders") == 0
    ages.known("audit", at=at(2))
    assert ages.of("audit") == 8


def test_a_census_tells_of_all_queues(history: History, ages: Ages) -> None:
    """Also of those that nobody reads."""
    state = QueueState(name="dead", type="classic", ready=0, unacknowledged=0, transit=0, exact=True)
    history.append(facts.CensusTaken(at=at(9), queues=(state,), topology=Topology()))
    assert ages.of("dead") == 1


def test_a_queue_that_was_deleted_is_born_again(history: History, ages: Ages) -> None:
    """Its name was older than it is."""
    history.append(facts.QueueDeclared(at=at(1), link="worker", connection=1, queue="orders"))
    history.append(facts.QueueDeleted(at=at(5), link="worker", connection=1, queue="orders"))
    history.append(facts.QueueDeclared(at=at(8), link="worker", connection=1, queue="orders"))
    assert ages.of("orders") == 2


def test_what_is_new_is_read_when_it_is_asked_for(history: History, ages: Ages) -> None:
    """Nothing is read twice."""
    history.append(facts.QueueDeclared(at=at(1), link="worker", connection=1, queue="orders"))
    assert ages.of("orders") == 9
    history.append(facts.QueueDeleted(at=at(5), link="worker", connection=1, queue="orders"))
    assert ages.of("orders") == 0
