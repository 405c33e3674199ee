"""Waiting for a fact, with a bound, and with words for the case that it never comes."""

from __future__ import annotations

import time
from collections.abc import Callable

from pytest_mqchaos.errors import ChaosError

__all__ = ["wait_for"]


def wait_for(what: str, lacking: Callable[[], str | None], *, timeout: float, interval: float = 0.02) -> None:
    """Wait until `lacking()` is None; otherwise it says in a few words what is still missing.

    Raises:
        ChaosError: `timeout` seconds have passed; the text names what was awaited and what was seen last.

    """
    deadline = time.monotonic() + timeout
    while (last := lacking()) is not None:
        if time.monotonic() >= deadline:
            raise ChaosError(f"waited {timeout:g} s for {what}; last seen: {last}")
        time.sleep(interval)
