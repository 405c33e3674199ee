"""Servers that several processes use: one process holds them, the others are its guests.

```
 host  ──────────── starts, watches, ends ───────────► RabbitMQ, Toxiproxy
  ▲ ▲ ▲  a line of JSON each way (`talk`), at an address that its place has (`place`)
  │ │ └─ guest: worker gw1 ─┐
  │ └─── guest: worker gw0 ─┼── straight to the broker's port and Toxiproxy's API
  └───── stop               ─┘
```
Under pytest-xdist the first worker that needs servers brings the host up, and it ends with the controller. With
`--mqchaos-keep` it stays for the next session. A guest that dies takes nothing with it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_mqchaos.servers.sharing.guest import join
    from pytest_mqchaos.servers.sharing.place import Place, kept_place, kept_places
    from pytest_mqchaos.servers.sharing.stopping import end
    from pytest_mqchaos.servers.sharing.talk import Taken

__all__ = ["Place", "Taken", "end", "join", "kept_place", "kept_places"]

_HOMES = {
    "Place": "place",
    "Taken": "talk",
    "end": "stopping",
    "join": "guest",
    "kept_place": "place",
    "kept_places": "place",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
