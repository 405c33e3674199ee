"""Faults of the broker."""

from __future__ import annotations

from pytest_mqchaos.model.faults.fault import Fault
from pytest_mqchaos.model.faults.making import make
from pytest_mqchaos.model.triggers import Trigger

__all__ = ["broker_restart"]


def broker_restart(
    *positional: object,
    before: Trigger | None = None,
    after: Trigger | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Stop the broker cleanly and start it again; its address stays. Other arguments as of `connection_drop`."""
    __tracebackhide__ = True
    return make("broker_restart", "broker", positional, before=before, after=after, name=name,
                 guarantee=guarantee, allow=allow)  # fmt: skip
