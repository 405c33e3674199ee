"""What the faults of a run do just now, as those who wait for the run need to know it."""

from __future__ import annotations

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.striking.injector import Injector
from pytest_mqchaos.link.loop import LoopThread

__all__ = ["calm", "disturbed", "outage", "steps"]

_HEAL_TIMEOUT = 30.0


def disturbed(injector: Injector) -> str:
    """Return what still disturbs, or an empty text."""
    if injector.due:
        return "a fault is about to strike"
    for armed in injector.armed:
        if armed.striking:
            return f"{armed.fault} is striking"
        if armed.fired and not armed.healed.is_set() and not armed.fault.lasting:
            return f"{armed.fault} is in force"
    return ""


def calm(injector: Injector, thread: LoopThread) -> bool:
    """Heal what lasts until a run has settled; return whether there was anything.

    Raises:
        ChaosError: if a heal fails, or does not end in time.
    """
    lasting = [
        armed
        for armed in injector.armed
        if armed.fault.lasting and armed.heal is not None and not armed.healed.is_set()
    ]
    for armed in lasting:
        assert armed.heal is not None
        thread.call(armed.heal(), timeout=_HEAL_TIMEOUT, what=f"healing {armed.fault}")
        if not armed.healed.is_set():
            raise ChaosError(f"{armed.fault} is still in force after its heal")
    return bool(lasting)


def outage(injector: Injector) -> bool:
    """Whether a fault keeps the broker out of a consumer's reach now."""
    return any(
        armed.fault.family in ("network", "broker")
        and not armed.fault.lasting
        and (armed.striking or (armed.fired and not armed.healed.is_set()))
        for armed in injector.armed
    )


def steps(injector: Injector) -> int:
    """Return a number that grows with each fault that strikes, and with each that is over."""
    return sum(armed.fired + armed.struck + armed.healed.is_set() for armed in injector.armed)
