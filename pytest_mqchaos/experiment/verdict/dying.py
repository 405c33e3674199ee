"""The broker that dies in the middle of a test, by no fault of ours: told as such, whoever notices it first."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pytest_mqchaos.errors import ChaosError

if TYPE_CHECKING:
    from pytest_mqchaos.brokers._protocol import Broker
    from pytest_mqchaos.experiment.striking.injector import Injector

__all__ = ["behind", "death"]

_DYING = 2.0
"""Seconds that a broker which serves nobody any more may take to end."""


def death(broker: Broker, injector: Injector) -> ChaosError | None:
    """What to raise if the broker died and none of our faults did it."""
    if broker.alive() or injector.strikes_broker:
        return None
    tail = broker.log_tail(3).strip().replace("\n", " | ")
    return ChaosError(f"the broker died during the test: {tail or 'it logged nothing'}")


def behind(error: ChaosError, broker: Broker, injector: Injector) -> ChaosError:
    """What to tell of an error: the broker's death where that is behind it, else the error itself.

    A VM that is killed closes its connections before its process has ended: whoever asks it may notice first.
    """
    deadline = time.monotonic() + _DYING
    while not injector.strikes_broker and broker.lacks_at(broker.host, broker.port) is not None:
        if (found := death(broker, injector)) is not None:
            return found
        if time.monotonic() >= deadline:
            break
        time.sleep(0.02)
    return error
