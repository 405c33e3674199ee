"""The broker as a test holds it: which faults its verbs are, and what a frozen one refuses."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.experiment.broker_handle import BrokerHandle
from pytest_mqchaos.model.faults import Fault


class Hand:
    """Takes faults by hand, and writes down what becomes of them."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.broker = BrokerHandle(
            SimpleNamespace(version="4.0.5", description="RabbitMQ 4.0.5"), self.inject
        )

    def inject(self, fault: Fault) -> SimpleNamespace:
        """Let a fault strike."""
        self.log.append(f"{fault} of {fault.family}")
        return SimpleNamespace(heal=lambda: self.log.append(f"heal {fault}"))


def test_its_verbs_are_faults() -> None:
    """They stand in the history like any other."""
    hand = Hand()
    hand.broker.restart()
    hand.broker.crash()
    hand.broker.freeze()
    hand.broker.thaw()
    assert hand.log == [
        "broker_restart() of broker", "broker_crash() of broker", "broker_freeze() of broker", "heal broker_freeze()",
    ]  # fmt: skip
    assert repr(hand.broker) == "<RabbitMQ 4.0.5>"


def test_what_is_frozen_is_not_frozen_again() -> None:
    """And what goes on is not thawed."""
    hand = Hand()
    hand.broker.thaw()
    hand.broker.freeze()
    hand.broker.freeze()
    hand.broker.thaw()
    hand.broker.thaw()
    assert hand.log == ["broker_freeze() of broker", "heal broker_freeze()"]
    hand.broker.freeze()
    assert len(hand.log) == 3


def test_a_frozen_broker_is_neither_stopped_nor_killed() -> None:
    """It cannot say goodbye, nor tell how old its queues are."""
    hand = Hand()
    hand.broker.freeze()
    with pytest.raises(UsageError) as caught:
        hand.broker.restart()
    assert str(caught.value) == "restart(): the broker is frozen; call mqchaos.broker.thaw() first"
    with pytest.raises(UsageError, match=r"^crash\(\): the broker is frozen"):
        hand.broker.crash()
    hand.broker.thaw()
    hand.broker.crash()
    assert hand.log[-1] == "broker_crash() of broker"


def test_a_thaw_that_fails_can_be_tried_again() -> None:
    """The broker is frozen until it was thawed."""
    hand = Hand()
    hand.broker.freeze()
    failing = SimpleNamespace(heal=lambda: (_ for _ in ()).throw(UsageError("no")))
    own, hand.broker._frozen = hand.broker._frozen, failing
    with pytest.raises(UsageError):
        hand.broker.thaw()
    assert hand.broker.frozen
    hand.broker._frozen = own
    hand.broker.thaw()
    assert not hand.broker.frozen
