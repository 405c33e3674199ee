"""The end of a run, however often it is asked for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.chaos import Chaos
from pytest_mqchaos.model.faults import baseline


class FakeRun:
    """A run whose end goes as its script says."""

    def __init__(self, *troubles: BaseException) -> None:
        self.test = SimpleNamespace(scenario=baseline())
        self.broker = None
        self.injector = SimpleNamespace(armed=[])
        self.troubles = list(troubles)
        self.closes = 0

    def disarm(self) -> None:
        """Nothing is armed."""

    def close(self) -> None:
        self.closes += 1
        if self.troubles:
            raise self.troubles.pop(0)


def test_it_ends_once() -> None:
    """By the fixture, and again by the session."""
    run = FakeRun()
    chaos = Chaos(run)
    chaos.close()
    chaos.close()
    assert run.closes == 1
    assert chaos.closed


def test_what_fails_is_not_tried_again() -> None:
    """It was told once."""
    run = FakeRun(ChaosError("cleaning up after the test: no"))
    chaos = Chaos(run)
    with pytest.raises(ChaosError):
        chaos.close()
    chaos.close()
    assert run.closes == 1


def test_what_is_interrupted_is_taken_up_again() -> None:
    """A second Ctrl-C in the middle of cleaning up: the session's end does the rest."""
    run = FakeRun(KeyboardInterrupt())
    chaos = Chaos(run)
    with pytest.raises(KeyboardInterrupt):
        chaos.close()
    assert not chaos.closed
    chaos.close()
    assert run.closes == 2
