"""Scenarios: no fault, or several."""

from __future__ import annotations

from pytest_mqchaos.model.faults.fault import Fault, Scenario
from pytest_mqchaos.model.faults.making import allowed, checked_name, promised, reject_positional, usage

__all__ = ["baseline", "combine"]


def baseline(
    *positional: object, name: str | None = None, guarantee: object = None, allow: object = ()
) -> Scenario:
    """Return the empty scenario: nothing is broken, and the delivery hazards are named all the same."""
    __tracebackhide__ = True
    reject_positional("baseline", positional)
    return Scenario(
        name=checked_name("baseline", name),
        guarantee=promised(guarantee),
        allow=allowed(allow),
    )


def combine(
    *faults: Fault, name: str | None = None, guarantee: object = None, allow: object = ()
) -> Scenario:
    """Return one scenario of several faults, each at its own moment.

    Its guarantee is its own, or the first that a fault of it names; the faults' allowances are joined.

    Raises:
        UsageError: if something that is not a fault is given, or nothing.
    """
    __tracebackhide__ = True
    if not faults:
        usage("combine", "name at least one fault")
    for fault in faults:
        if not isinstance(fault, Fault):
            if callable(fault):
                name_of = getattr(fault, "__name__", "fault")
                ours = getattr(fault, "__module__", "").startswith(__package__)
                usage("combine", f"forgotten parentheses: write {name_of if ours else 'combine'}(...)")
            if isinstance(fault, Scenario):
                parts = [str(one) for one in fault.faults]
                said = (
                    f"name its faults instead: {', '.join(parts)}"
                    if parts
                    else "baseline() has no fault to combine"
                )
                usage("combine", f"a scenario within another one: {said}")
            usage("combine", f"{fault!r} is not a fault")
        if fault.kind == "canary":
            usage("combine", "canary() stands alone: it shows what a test sees where nothing else breaks")
    own = promised(guarantee)
    return Scenario(
        faults=tuple(faults),
        name=checked_name("combine", name),
        guarantee=own or next((fault.guarantee for fault in faults if fault.guarantee is not None), None),
        allow=tuple(pair for fault in faults for pair in fault.allow) + allowed(allow),
    )
