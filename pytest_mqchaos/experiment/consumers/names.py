"""Whom a name in a fault means: a consumer with all its replicas, one replica, or everybody."""

from __future__ import annotations

from pytest_mqchaos.model.faults import Fault
from pytest_mqchaos.model.names import base_name

__all__ = ["aimed", "scoped"]


def aimed(wanted: str | None, name: str) -> bool:
    """Whether `consumer=wanted` means the replica or link of that name; the first has its consumer's name."""
    if wanted is not None and wanted.endswith("#1"):
        return name == wanted.removesuffix("#1")
    return wanted in (None, "*", name, base_name(name))


def scoped(fault: Fault, link: str) -> bool:
    """Whether what happens on a link is a moment of a fault: any is, unless it names another consumer."""
    return fault.consumer in (None, "*") or base_name(str(fault.consumer)) == base_name(link)
