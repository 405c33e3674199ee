"""What the guard is told of an external broker: what to remove, and when there is nothing left to."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pytest_mqchaos.brokers._protocol import External
from pytest_mqchaos.brokers.rabbitmq.leftovers import Leftovers
from pytest_mqchaos.brokers.rabbitmq.place import Place
from pytest_mqchaos.model.declared import Declaration, Declared
from pytest_mqchaos.model.names import Names

URL = "amqp://ci:s3cr3t@localhost/"


class FakeGuard:
    """Keeps its errands."""

    def __init__(self) -> None:
        self.errands: dict[str, Mapping[str, object]] = {}

    def errand(self, name: str, module: str, words: Mapping[str, object], *, first: bool = False) -> None:
        """Keep the last words."""
        assert module == "pytest_mqchaos.brokers.rabbitmq.leftovers"
        self.errands[name] = words

    def done(self, name: str) -> None:
        """Forget one."""
        del self.errands[name]


class FakeWitness:
    """Knows what was declared."""

    def __init__(self) -> None:
        self.declared = Declared()


def place(monkeypatch: pytest.MonkeyPatch, *, prefix: str = "", whole: bool = False) -> Place:
    """A namespace whose declarations are known."""
    found = Place("v", Names(prefix), whole=whole, url=URL, management=None)
    monkeypatch.setattr(found, "witness", FakeWitness())
    return found


def test_a_vhost_goes_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told as soon as it is there, with what it takes to remove it; done, nothing is to be done."""
    guard = FakeGuard()
    leftovers = Leftovers(External(url=URL, errands=guard), "http://localhost:15672")
    own = place(monkeypatch, whole=True)
    leftovers.tell("one", own)
    told = {"url": URL, "management": "http://localhost:15672", "vhost": "v", "whole": True, "names": []}
    assert guard.errands == {"namespace one": told}
    leftovers.follow("one", own)
    own.declared.queue(Declaration(name="orders"))
    assert guard.errands == {"namespace one": told}
    leftovers.done("one")
    assert guard.errands == {}


def test_names_by_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is declared under the prefix is to go, the last one first; no other name ever is."""
    guard = FakeGuard()
    own = place(monkeypatch, prefix="mqchaos-k3f9-1.")
    Leftovers(External(url=URL, errands=guard), "").follow("one", own)
    own.declared.queue(Declaration(name="orders"))
    own.declared.exchange("events", "topic")
    own.declared.queue(Declaration(name="amq.gen-1", exclusive=True))
    names = guard.errands["namespace one"]["names"]
    assert names == [("exchange", "mqchaos-k3f9-1.events"), ("queue", "mqchaos-k3f9-1.orders")]


def test_names_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the run itself made is to go, what clients declared may be somebody's."""
    guard = FakeGuard()
    own = place(monkeypatch)
    Leftovers(External(url=URL, errands=guard), "").follow("one", own)
    own.declared.queue(Declaration(name="orders"))
    own.declared.make("queue", "orders.dead")
    assert guard.errands["namespace one"]["names"] == [("queue", "orders.dead")]
