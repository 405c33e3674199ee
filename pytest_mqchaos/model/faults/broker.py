"""Faults of the broker."""

from __future__ import annotations

from pytest_mqchaos.model.faults.fault import Fault
from pytest_mqchaos.model.faults.making import make
from pytest_mqchaos.model.triggers import Trigger

__all__ = ["broker_crash", "broker_freeze", "broker_restart"]


def broker_crash(
    *positional: object,
    before: Trigger | None = None,
    after: Trigger | None = None,
    times: int = 1,
    every: float | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Kill the broker (SIGKILL) and start it again; its address stays, meanwhile connections are refused.

    A broker that is killed may lose a queue younger than 3 seconds with all that was confirmed: such a queue is
    waited for first, while the stream stands still, and the wait stands in the history. Acks that a killed broker
    had processed may come to nothing, and what they were for be delivered again: that is the crash's doing. Other
    arguments as of `connection_drop`.
    """
    __tracebackhide__ = True
    return make("broker_crash", "broker", positional, before=before, after=after,
                 times=times, every=every, name=name, guarantee=guarantee, allow=allow)  # fmt: skip


def broker_freeze(
    *positional: object,
    duration: float = 2.0,
    before: Trigger | None = None,
    after: Trigger | None = None,
    times: int = 1,
    every: float | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Let the broker stand still (SIGSTOP) for `duration` seconds; then it goes on (SIGCONT).

    Connections stay open, nothing answers, new connections hang. Under *before X* the X goes on once the broker
    stands, and reaches it at the end. Other arguments as of `connection_drop`.
    """
    __tracebackhide__ = True
    return make("broker_freeze", "broker", positional, before=before, after=after, duration=duration,
                 default_duration=2.0,
                 times=times, every=every, name=name, guarantee=guarantee, allow=allow)  # fmt: skip


def broker_restart(
    *positional: object,
    before: Trigger | None = None,
    after: Trigger | None = None,
    times: int = 1,
    every: float | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Stop the broker cleanly and start it again; its address stays. Other arguments as of `connection_drop`."""
    __tracebackhide__ = True
    return make("broker_restart", "broker", positional, before=before, after=after,
                 times=times, every=every, name=name, guarantee=guarantee, allow=allow)  # fmt: skip
