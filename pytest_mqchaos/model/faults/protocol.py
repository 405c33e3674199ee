"""Faults of the protocol: one frame is lost."""

from __future__ import annotations

from pytest_mqchaos.model.faults.fault import Fault
from pytest_mqchaos.model.faults.making import make
from pytest_mqchaos.model.triggers import Trigger

__all__ = ["lost_ack", "lost_confirm"]


def lost_ack(
    *positional: object,
    before: Trigger | None = None,
    after: Trigger | None = None,
    consumer: str | None = None,
    times: int = 1,
    every: float | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Swallow an ack and reset its connection: the broker never learns that the work is done.

    `before=ack(n)` swallows that frame, another moment the first ack after it, none a seeded one. Other
    arguments as of `connection_drop`.
    """
    __tracebackhide__ = True
    return make("lost_ack", "protocol", positional, before=before, after=after, consumer=consumer,
                 times=times, every=every, name=name, guarantee=guarantee, allow=allow)  # fmt: skip


def lost_confirm(
    *positional: object,
    before: Trigger | None = None,
    after: Trigger | None = None,
    times: int = 1,
    every: float | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Swallow a confirm and reset its connection: the publisher never learns that the broker has the message.

    It strikes the workload's publisher, which repeats nothing by itself: the message arrives, and nobody was told.
    `before=confirm(n)` swallows that frame, another moment the first confirm after it, none a seeded one. Other
    arguments as of `connection_drop`.
    """
    __tracebackhide__ = True
    return make("lost_confirm", "protocol", positional, before=before, after=after,
                 times=times, every=every, name=name, guarantee=guarantee, allow=allow)  # fmt: skip
