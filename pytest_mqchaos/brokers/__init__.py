"""Brokers: one folder each, in which everything stands that knows it.

`launcher(name)` gives the module that starts one; nothing of a broker is imported before.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from pytest_mqchaos.brokers._protocol import Launcher

__all__ = ["launcher"]

_LAUNCHERS = {"rabbitmq": "pytest_mqchaos.brokers.rabbitmq.launch"}


def launcher(name: str) -> Launcher:
    """The launcher of the broker of that name."""
    return cast("Launcher", import_module(_LAUNCHERS[name]))
