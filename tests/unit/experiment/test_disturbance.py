"""What the faults of a run do just now."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.striking import disturbance


def injector(*armed: Any, due: bool = False) -> Any:
    """An injector with some faults, one of which may be due."""
    return SimpleNamespace(armed=list(armed), due=due)


class Fault:
    """What is shown of a fault."""

    def __init__(self, family: str, *, lasting: bool = False) -> None:
        self.family = family
        self.lasting = lasting

    def __str__(self) -> str:
        return "refuse(duration=1)"


def one(
    family: str = "network",
    *,
    fired: bool = False,
    striking: bool = False,
    healed: bool = False,
    lasting: bool = False,
    heal: Any = None,
) -> Any:
    """A fault, and how far it is."""
    over = threading.Event()
    if healed:
        over.set()
    return SimpleNamespace(
        fault=Fault(family, lasting=lasting),
        fired=fired,
        struck=int(fired and not striking),
        striking=striking,
        healed=over,
        heal=heal,
    )


@pytest.mark.parametrize(
    ("faults", "words", "steps"),
    [
        (injector(), "", 0),
        (injector(one()), "", 0),
        (injector(one(), due=True), "a fault is about to strike", 0),
        (injector(one(striking=True)), "refuse(duration=1) is striking", 0),
        (injector(one(fired=True, striking=True)), "refuse(duration=1) is striking", 1),
        (injector(one(fired=True)), "refuse(duration=1) is in force", 2),
        (injector(one(fired=True, healed=True)), "", 3),
        (injector(one(fired=True, lasting=True)), "", 2),
    ],
)
def test_what_disturbs(faults: Any, words: str, steps: int) -> None:
    """One that was armed disturbs nobody yet, and one that is over nobody any more."""
    assert disturbance.disturbed(faults) == words
    assert disturbance.steps(faults) == steps


@pytest.mark.parametrize(
    ("fault", "out"),
    [
        (one(), False),
        (one("network", striking=True), True),
        (one("broker", striking=True), True),
        (one("network", fired=True), True),
        (one("network", fired=True, healed=True), False),
        (one("process", fired=True), False),
        (one("payload", fired=True), False),
        (one("network", fired=True, lasting=True), False),
    ],
)
def test_what_is_an_outage(fault: Any, out: bool) -> None:
    """A fault of the network or of the broker, while it is in force: others leave the broker in reach."""
    assert disturbance.outage(injector(one("process", fired=True), fault)) is out


def test_what_lasts_is_healed() -> None:
    """Each fault that lasts and has struck is healed, and no other; one that stays in force is an error."""
    thread: Any = SimpleNamespace(call=lambda work, **_: work)
    slow = one(fired=True, lasting=True)
    slow.heal = slow.healed.set
    refused = one(fired=True)
    refused.heal = refused.healed.set
    over = one(fired=True, lasting=True, healed=True)
    assert disturbance.calm(injector(slow, over, refused, one(lasting=True)), thread)
    assert slow.healed.is_set()
    assert not refused.healed.is_set()
    assert not disturbance.calm(injector(slow, one(lasting=True), one(fired=True)), thread)
    with pytest.raises(ChaosError, match="still in force after its heal"):
        disturbance.calm(injector(one(fired=True, lasting=True, heal=lambda: None)), thread)
