"""Servers: how a broker and a Toxiproxy come to be, as processes or in containers, for every broker alike.

Importing this package loads nothing third-party; `start` loads what the chosen kind needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_mqchaos.servers.guard import new_run
    from pytest_mqchaos.servers.session import Servers, start, visit
    from pytest_mqchaos.servers.settings import ServerSettings
    from pytest_mqchaos.servers.toxiproxy import ToxiproxyServer

__all__ = ["ServerSettings", "Servers", "ToxiproxyServer", "new_run", "start", "visit"]

_HOMES = {
    "ServerSettings": "settings",
    "Servers": "session",
    "ToxiproxyServer": "toxiproxy",
    "new_run": "guard",
    "start": "session",
    "visit": "session",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
