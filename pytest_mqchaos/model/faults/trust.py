"""A fault that is no fault of anybody: the plant of ours by which a test shows that it can see."""

from __future__ import annotations

from pytest_mqchaos.model.faults.fault import Fault
from pytest_mqchaos.model.faults.making import make

__all__ = ["canary"]


def canary(
    *positional: object, name: str | None = None, guarantee: object = None, allow: object = ()
) -> Fault:
    """Lose one message and double the effect of another, by the plugin itself: does this test see it?

    The wire withholds one delivery and acknowledges it, as a consumer that loses it would; one effect is counted
    twice. Which messages these are follows from the seed. The run passes if it finds exactly that; else the finding
    `blind` says why a test like this cannot see a loss. It stands alone: `combine` refuses it.
    """
    __tracebackhide__ = True
    return make("canary", "protocol", positional, before=None, after=None,
                 name=name, guarantee=guarantee, allow=allow)  # fmt: skip
