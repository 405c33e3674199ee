"""Which events each part of the ledger takes in, and in which order the parts do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from pytest_mqchaos.model.events import Event

__all__ = ["Handler", "Handlers", "joined"]

Handler: TypeAlias = Callable[[Any, int], None]
"""Takes an event and its number."""
Handlers: TypeAlias = Mapping[type[Event], Handler]


def joined(*parts: Handlers) -> dict[type[Event], tuple[Handler, ...]]:
    """Return the handlers of each kind of event, those of the first part first."""
    kinds = {kind for part in parts for kind in part}
    return {kind: tuple(part[kind] for part in parts if kind in part) for kind in kinds}
