"""Faults of the consumer's process."""

from __future__ import annotations

from typing import Literal

from pytest_mqchaos.model.faults.fault import Fault
from pytest_mqchaos.model.faults.making import make, number, usage
from pytest_mqchaos.model.triggers import Trigger

__all__ = ["consumer_crash", "consumer_terminate"]


def consumer_crash(
    *positional: object,
    process: Literal["group", "main", "child"] = "group",
    before: Trigger | None = None,
    after: Trigger | None = None,
    consumer: str | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Kill the consumer (SIGKILL): its process group, the first process, or one child.

    It is stopped first, so that it gets no further than the moment named. Other arguments as of `connection_drop`.
    """
    __tracebackhide__ = True
    if process not in ("group", "main", "child"):
        usage("consumer_crash", f"process={process!r}: 'group', 'main' or 'child'")
    return make("consumer_crash", "process", positional, before=before, after=after, consumer=consumer,
                 options={"process": (process, "group")}, name=name, guarantee=guarantee, allow=allow)  # fmt: skip


def consumer_terminate(
    *positional: object,
    grace: float = 10.0,
    before: Trigger | None = None,
    after: Trigger | None = None,
    consumer: str | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Ask the consumer to end (SIGTERM to its main process), and kill its group after `grace` seconds."""
    __tracebackhide__ = True
    value = number("consumer_terminate", "grace", grace)
    return make("consumer_terminate", "process", positional, before=before, after=after, consumer=consumer,
                 options={"grace": (value, 10.0)}, name=name, guarantee=guarantee, allow=allow)  # fmt: skip
