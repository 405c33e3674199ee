"""A namespace on somebody else's broker: whatever becomes of its making, nothing is left that nobody knows of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_mqchaos.brokers.rabbitmq.address import BrokerAddress
from pytest_mqchaos.brokers.rabbitmq.external import ExternalRabbitMQ
from pytest_mqchaos.errors import ChaosError


class FakeManagement:
    """Makes vhosts, or fails in a way that a test says."""

    def __init__(self) -> None:
        self.there: list[str] = []
        self.making: Callable[[str], bool] = self.made
        self.deletes = True

    def made(self, name: str) -> bool:
        """Make one."""
        self.there.append(name)
        return True

    def create_vhost(self, name: str, user: str) -> bool:
        """Make one, as the test says."""
        return self.making(name)

    def delete_vhost(self, name: str) -> None:
        """Delete one, where it can."""
        if not self.deletes:
            raise ChaosError("no answer")
        if name in self.there:
            self.there.remove(name)

    def close(self) -> None:
        """There is no connection."""


class FakeLeftovers:
    """Knows what the guard would remove."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def tell(self, namespace: str, place: Any) -> None:
        """Keep the last words."""
        self.known[namespace] = place.vhost

    def done(self, namespace: str) -> None:
        """Forget one."""
        del self.known[namespace]


@pytest.fixture
def management() -> FakeManagement:
    """A management API."""
    return FakeManagement()


@pytest.fixture
def leftovers() -> FakeLeftovers:
    """What the guard knows."""
    return FakeLeftovers()


@pytest.fixture
def broker(management: Any, leftovers: Any) -> ExternalRabbitMQ:
    """A broker on which each run has a vhost of its own."""
    return ExternalRabbitMQ(
        BrokerAddress.parse("amqp://ci:s3cr3t@localhost/"),
        isolation="vhost",
        version="4.0.5",
        management=management,
        leftovers=leftovers,
    )


def test_the_guard_knows_a_vhost_before_it_is_there(
    broker: ExternalRabbitMQ, management: FakeManagement, leftovers: FakeLeftovers
) -> None:
    """Whoever is killed right behind the request leaves nothing."""
    seen = []

    def making(name: str) -> bool:
        seen.append(dict(leftovers.known))
        return management.made(name)

    management.making = making
    broker.create_namespace("one")
    assert seen == [{"one": broker.vhost("one")}]
    broker.delete_namespace("one")
    assert (management.there, leftovers.known) == ([], {})


def test_a_vhost_that_is_there_and_not_permitted(
    broker: ExternalRabbitMQ, management: FakeManagement, leftovers: FakeLeftovers
) -> None:
    """It is deleted at once; where that fails, too, it stays known, and goes in the end."""

    def making(name: str) -> bool:
        management.made(name)
        raise ChaosError("its permissions: no answer within 5 s")

    management.making = making
    with pytest.raises(ChaosError, match="its permissions"):
        broker.create_namespace("one")
    assert (management.there, leftovers.known, broker.namespaces()) == ([], {}, ())
    management.deletes = False
    with pytest.raises(ChaosError, match="its permissions"):
        broker.create_namespace("one")
    assert leftovers.known == {"one": management.there[0]}
    management.deletes = True
    broker.stop()
    assert (management.there, leftovers.known) == ([], {})


def test_a_vhost_of_somebody_elses(
    broker: ExternalRabbitMQ, management: FakeManagement, leftovers: FakeLeftovers
) -> None:
    """Another name is taken, and nobody is told to delete that one."""
    others: list[str] = []

    def making(name: str) -> bool:
        if others:
            return management.made(name)
        others.append(name)
        return False

    management.making = making
    broker.create_namespace("one")
    assert broker.vhost("one") not in others
    assert leftovers.known == {"one": broker.vhost("one")}
    broker.stop()
    assert management.there == []
