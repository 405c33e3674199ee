"""Whether a fault names a consumer that there is."""

from __future__ import annotations

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.experiment.run import Run
from pytest_mqchaos.model.faults import Fault
from pytest_mqchaos.model.names import base_name
from pytest_mqchaos.model.triggers import Trigger

__all__ = ["check_aim", "check_aims", "check_called"]


def check_aims(run: Run) -> None:
    """Raise if a fault of the run names a consumer that there is not; before there is any, nothing is wrong yet.

    Raises:
        UsageError: with the names that there are.
    """
    __tracebackhide__ = True
    if run.consumers or run.inside.names:
        for armed in run.injector.armed:
            check_called(run, armed.fault.trigger, str(armed.fault))
        for armed in run.injector.armed:
            check_aim(run, armed.fault)


def check_called(run: Run, trigger: Trigger | None, written: str) -> None:
    """Raise if a trigger waits for calls of a service that there is not.

    Raises:
        UsageError: with the services that there are.
    """
    __tracebackhide__ = True
    if trigger is None or trigger.kind != "call":
        return
    if not run.http:
        raise UsageError(f"{written}: there is no service to call; mqchaos.http(key=...) stands in for one")
    if trigger.service is not None and trigger.service not in run.http:
        there = ", ".join(run.http)
        raise UsageError(
            f"{written}: there is no service {trigger.service!r}; mqchaos.http(...) made: {there}"
        )


def check_aim(run: Run, fault: Fault) -> None:
    """Raise if a fault names a consumer that there is not.

    Raises:
        UsageError: with the names that there are.
    """
    __tracebackhide__ = True
    if fault.link is not None and run.links.service(fault.link) is None:
        there = ", ".join(run.links.services()) or "none"
        raise UsageError(f"{fault}: there is no link {fault.link!r}; mqchaos.link(...) opened: {there}")
    run.inside.refuse(fault, others=run.consumers)
    by = None if fault.trigger is None else fault.trigger.by
    names = {replica.name for replica in run.replicas()} | run.inside.names
    known = names | {base_name(name) for name in names} | {f"{base_name(name)}#1" for name in names}
    for wanted in (fault.consumer, by):
        if wanted not in (None, "*") and wanted not in known:
            raise UsageError(
                f"{fault}: there is no consumer {wanted!r}; there are: {', '.join(sorted(names)) or 'none'}"
            )
