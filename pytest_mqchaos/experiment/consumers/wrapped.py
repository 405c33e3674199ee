"""Whether the function that a test names as its effect (`effect_after=`) was found inside the consumer."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_mqchaos.consumers.consumer import Consumer
from pytest_mqchaos.effects.file import EffectsFile
from pytest_mqchaos.errors import ChaosError

__all__ = ["refuse_complaints", "refuse_unwrapped"]


def refuse_complaints(consumer: Consumer) -> None:
    """Raise if a consumer says by now that there is no such function.

    Raises:
        ChaosError: in its words.
    """
    __tracebackhide__ = True
    for told in _told(consumer):
        if told.complaint:
            raise ChaosError(f"{_call(consumer)}: {told.complaint}")


def refuse_unwrapped(consumers: Iterable[Consumer]) -> None:
    """Raise if a run has settled, and a consumer never came to the module of such a function.

    Raises:
        ChaosError: naming it, and what may be the reason.
    """
    __tracebackhide__ = True
    for consumer in consumers:
        if consumer.wrapping is not None and not any(told.wrapped for told in _told(consumer)):
            module = consumer.wrapping.target.partition(":")[0]
            raise ChaosError(
                f"{_call(consumer)}: {consumer.name} never imported {module}: a typo, or a program that is no Python, "
                "or one run with -I, -E or -S, or the program's own file, where nothing can be wrapped: there, "
                "probe.effect(id)"
            )


def _call(consumer: Consumer) -> str:
    target = "" if consumer.wrapping is None else consumer.wrapping.target
    return f"consumer(effect_after={target!r})"


def _told(consumer: Consumer) -> list[EffectsFile]:
    """What the wrapped function of a consumer's replicas has told, read apart from the run's own reading."""
    found = [EffectsFile(replica.wrapped) for replica in consumer.replicas if replica.wrapped is not None]
    for one in found:
        one.read()
        one.close()
    return found
