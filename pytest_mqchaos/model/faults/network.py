"""Faults of the network."""

from __future__ import annotations

from pytest_mqchaos.model.faults.fault import Fault
from pytest_mqchaos.model.faults.making import make
from pytest_mqchaos.model.triggers import Trigger

__all__ = ["connection_drop", "connection_reset", "refuse"]


def connection_drop(
    *positional: object,
    before: Trigger | None = None,
    after: Trigger | None = None,
    consumer: str | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Cut every connection of the link with a FIN on both sides; the client may reconnect at once.

    Args:
        before: strike when this was sent and has not been passed on; the fault takes it along.
        after: strike when this has reached its receiver and nothing later has.
        consumer: whose link; by default the one that the moment happened on.
        name: replaces the fault's id in the test's name.
        guarantee: what is promised under this fault, instead of the marker's.
        allow: findings that are reported and do not fail the test.

    Raises:
        UsageError: if an argument is out of range or of the wrong kind.
    """
    __tracebackhide__ = True
    return make("connection_drop", "network", positional, before=before, after=after, consumer=consumer,
                 name=name, guarantee=guarantee, allow=allow)  # fmt: skip


def connection_reset(
    *positional: object,
    before: Trigger | None = None,
    after: Trigger | None = None,
    consumer: str | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Reset every connection of the link (RST), at once, also an idle one. Arguments as of `connection_drop`."""
    __tracebackhide__ = True
    return make("connection_reset", "network", positional, before=before, after=after, consumer=consumer,
                 name=name, guarantee=guarantee, allow=allow)  # fmt: skip


def refuse(
    *positional: object,
    duration: float = 1.0,
    before: Trigger | None = None,
    after: Trigger | None = None,
    consumer: str | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Cut the link and refuse new connections for `duration` seconds. Other arguments as of `connection_drop`."""
    __tracebackhide__ = True
    return make("refuse", "network", positional, before=before, after=after, consumer=consumer,
                 duration=duration, default_duration=1.0, name=name, guarantee=guarantee, allow=allow)  # fmt: skip
