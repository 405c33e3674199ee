"""The end of shared servers: their holder is told, or where it is gone, what it left is removed."""

from __future__ import annotations

import os
from typing import Any

from pytest_mqchaos import kernel
from pytest_mqchaos.servers.guardian import Guardian
from pytest_mqchaos.servers.sharing.place import Place
from pytest_mqchaos.servers.sharing.talk import Address, Gone, Silent
from pytest_mqchaos.servers.waiting import wait_for

__all__ = ["end", "present"]

_ENDING = 60.0
_HANGS = 10.0


def end(place: Place, *, force: bool = False) -> str:
    """End the servers of a place, and return what ran there in one line; nothing if there were none.

    Args:
        place: where they are.
        force: end them though a session uses them just now.

    Raises:
        ChaosError: a session uses them, or their holder does not say whether one does; or they have not ended
            within a minute.
    """
    state = place.state()
    if state is None:
        return ""
    said = str(state["description"])
    try:
        # by force nobody waits until the session before is tidied up after
        Address(state["port"], state["token"]).ask("stop", force=force, timeout=_HANGS if force else _ENDING)
    except Gone as error:
        if isinstance(error, Silent) and not force and present(state["pid"]):
            raise
        _clean(place, state)
    else:
        wait_for(f"the end of {said}", lambda: present(state["pid"]), timeout=_ENDING)
    place.clear(state["run"])
    return said


def present(pid: int) -> str | None:
    """What is still there of a process; nothing, if it only waits for a parent that never asks for its end."""
    try:
        os.kill(pid, 0)
    except OSError:
        return None
    fields = kernel.stat(pid)
    return None if fields is not None and fields[0] in kernel.ENDED else f"its process {pid} runs"


def _clean(place: Place, state: dict[str, Any]) -> None:
    """Remove a holder that hangs, or what one left that was killed together with its guard."""
    guardian = Guardian(state["run"], [])
    guardian.folders.append(str(place.directory(state["run"])))
    if state["engine"]:
        guardian.engines.append(state["engine"])
    guardian.clean(orderly=False)
