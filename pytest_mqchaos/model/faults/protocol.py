"""Faults of the protocol: one frame is lost."""

from __future__ import annotations

from pytest_mqchaos.model.faults.fault import Fault
from pytest_mqchaos.model.faults.making import make
from pytest_mqchaos.model.triggers import Trigger

__all__ = ["lost_ack"]


def lost_ack(
    *positional: object,
    before: Trigger | None = None,
    after: Trigger | None = None,
    consumer: str | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Swallow an ack and reset its connection: the broker never learns that the work is done.

    `before=ack(n)` swallows that frame, another moment the first ack after it, none a seeded one. Other
    arguments as of `connection_drop`.
    """
    __tracebackhide__ = True
    return make("lost_ack", "protocol", positional, before=before, after=after, consumer=consumer, name=name,
                 guarantee=guarantee, allow=allow)  # fmt: skip
