"""Whether a fault names a consumer that there is."""

from __future__ import annotations

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.experiment.names import base_name
from pytest_mqchaos.experiment.run import Run
from pytest_mqchaos.model.faults import Fault

__all__ = ["check_aim", "check_aims"]


def check_aims(run: Run) -> None:
    """Raise if a fault of the run names a consumer that there is not; before there is any, nothing is wrong yet.

    Raises:
        UsageError: with the names that there are.
    """
    __tracebackhide__ = True
    if run.replicas():
        for armed in run.injector.armed:
            check_aim(run, armed.fault)


def check_aim(run: Run, fault: Fault) -> None:
    """Raise if a fault names a consumer that there is not.

    Raises:
        UsageError: with the names that there are.
    """
    __tracebackhide__ = True
    if fault.link is not None and run.links.service(fault.link) is None:
        there = ", ".join(run.links.services()) or "none"
        raise UsageError(f"{fault}: there is no link {fault.link!r}; mqchaos.link(...) opened: {there}")
    names = {replica.name for replica in run.replicas()}
    known = names | {base_name(name) for name in names} | {f"{base_name(name)}#1" for name in names}
    if fault.consumer not in (None, "*") and fault.consumer not in known:
        raise UsageError(
            f"{fault}: there is no consumer {fault.consumer!r}; there are: {', '.join(sorted(names)) or 'none'}"
        )
