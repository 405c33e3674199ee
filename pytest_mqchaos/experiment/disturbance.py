"""What the faults of a run do just now, as those who wait for the run need to know it."""

from __future__ import annotations

from pytest_mqchaos.experiment.injector import Injector

__all__ = ["disturbed", "outage", "steps"]


def disturbed(injector: Injector) -> str:
    """Return what still disturbs, or an empty text."""
    if injector.due:
        return "a fault is about to strike"
    for armed in injector.armed:
        if armed.striking:
            return f"{armed.fault} is striking"
        if armed.fired and not armed.healed.is_set():
            return f"{armed.fault} is in force"
    return ""


def outage(injector: Injector) -> bool:
    """Whether a fault keeps the broker out of a consumer's reach now."""
    return any(
        armed.fault.family in ("network", "broker")
        and (armed.striking or (armed.fired and not armed.healed.is_set()))
        for armed in injector.armed
    )


def steps(injector: Injector) -> int:
    """Return a number that grows with each fault that strikes, and with each that is over."""
    return sum(armed.fired + armed.healed.is_set() for armed in injector.armed)
