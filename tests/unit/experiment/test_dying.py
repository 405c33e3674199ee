"""Unit tests of who is told to be at fault when the broker dies."""

from __future__ import annotations

import pytest

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.verdict.dying import behind, death

FIRST = ChaosError("the census of 'mqchaos-abcd': RabbitMQ is down")


class Dying:
    """A broker that serves nobody, and ends after it was asked a few times; or a healthy one."""

    host, port = "127.0.0.1", 5672

    def __init__(self, *, ends_after: float, serves: bool = False) -> None:
        self.left = ends_after
        self.serves = serves

    def alive(self) -> bool:
        self.left -= 1
        return self.left >= 0

    def lacks_at(self, host: str, port: int) -> str | None:
        assert (host, port) == (self.host, self.port)
        return None if self.serves else "connection refused"

    def log_tail(self, lines: int) -> str:
        return "eheap_alloc\nCannot allocate"[: lines * 100]


class Faults:
    def __init__(self, *, strikes_broker: bool) -> None:
        self.strikes_broker = strikes_broker


CALM, STRIKING = Faults(strikes_broker=False), Faults(strikes_broker=True)


@pytest.mark.parametrize("ends_after", [0, 1, 5])
def test_a_broker_that_dies_is_named(ends_after: int) -> None:
    """Its process may end a moment after its connections: that is waited for."""
    told = behind(FIRST, Dying(ends_after=ends_after), CALM)
    assert str(told) == "the broker died during the test: eheap_alloc | Cannot allocate"


def test_a_broker_that_serves_is_not_to_blame() -> None:
    """Another error stays what it is, at once."""
    broker = Dying(ends_after=0, serves=True)
    assert behind(FIRST, broker, CALM) is FIRST
    assert broker.left == 0


def test_our_own_fault_is_no_death() -> None:
    """A broker that our fault has killed is not told to have died."""
    assert behind(FIRST, Dying(ends_after=0), STRIKING) is FIRST
    assert death(Dying(ends_after=0), STRIKING) is None


def test_a_broker_that_lives_on_is_waited_for_with_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """It refuses and does not end: the first error is told."""
    monkeypatch.setattr("pytest_mqchaos.experiment.verdict.dying._DYING", 0.05)
    assert behind(FIRST, Dying(ends_after=1e9), CALM) is FIRST
