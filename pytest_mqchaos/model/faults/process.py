"""Faults of the consumer's process."""

from __future__ import annotations

from typing import Literal

from pytest_mqchaos.model.faults.fault import Fault
from pytest_mqchaos.model.faults.making import make, number, usage
from pytest_mqchaos.model.triggers import Trigger

__all__ = ["consumer_crash", "consumer_freeze", "consumer_terminate"]


def consumer_crash(
    *positional: object,
    process: Literal["group", "main", "child"] = "group",
    before: Trigger | None = None,
    after: Trigger | None = None,
    consumer: str | None = None,
    times: int = 1,
    every: float | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Kill the consumer (SIGKILL): its process group, the first process, or one child.

    It is stopped first, so that it gets no further than the moment named. Of several children the oldest dies;
    before an effect (`before=effect(n)`) the one whose effect it was to be. Other arguments as of `connection_drop`.
    """
    __tracebackhide__ = True
    if process not in ("group", "main", "child"):
        usage("consumer_crash", f"process={process!r}: 'group', 'main' or 'child'")
    return make("consumer_crash", "process", positional, before=before, after=after, consumer=consumer,
                 options={"process": (process, "group")},
                 times=times, every=every, name=name, guarantee=guarantee, allow=allow)  # fmt: skip


def consumer_freeze(
    *positional: object,
    duration: float = 2.0,
    before: Trigger | None = None,
    after: Trigger | None = None,
    consumer: str | None = None,
    times: int = 1,
    every: float | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Let the consumer's process group stand still (SIGSTOP) for `duration` seconds; then it goes on (SIGCONT).

    Its connections stay open, and the broker counts it alive until a heartbeat is missed. Under *before X* the X
    goes on once the group stands. Other arguments as of `connection_drop`.
    """
    __tracebackhide__ = True
    return make("consumer_freeze", "process", positional, before=before, after=after, consumer=consumer,
                 duration=duration, default_duration=2.0,
                 times=times, every=every, name=name, guarantee=guarantee, allow=allow)  # fmt: skip


def consumer_terminate(
    *positional: object,
    grace: float = 10.0,
    before: Trigger | None = None,
    after: Trigger | None = None,
    consumer: str | None = None,
    times: int = 1,
    every: float | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Ask the consumer to end (SIGTERM to its main process), and kill its group after `grace` seconds."""
    __tracebackhide__ = True
    value = number("consumer_terminate", "grace", grace)
    return make("consumer_terminate", "process", positional, before=before, after=after, consumer=consumer,
                 options={"grace": (value, 10.0)},
                 times=times, every=every, name=name, guarantee=guarantee, allow=allow)  # fmt: skip
