"""From the names that a source of effects says to the messages of the run."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from pytest_mqchaos.model.messages import Message, is_id

__all__ = ["Resolution", "Resolver"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """Which message a name stands for.

    `id` and `key` name one message; `ambiguous` is a key that several messages carry (`candidates`, in
    published order); `unexpected` has the form of an id of this plugin that was never published in this run;
    `foreign` is somebody else's.
    """

    kind: Literal["id", "key", "ambiguous", "unexpected", "foreign"]
    message: str | None = None
    candidates: tuple[str, ...] = ()


_FOREIGN = Resolution(kind="foreign")
_UNEXPECTED = Resolution(kind="unexpected")


class Resolver:
    """Resolves names against the messages of a run, which may still grow. Safe to use from any thread."""

    def __init__(self, messages: Mapping[str, Message]) -> None:
        self._messages = messages
        self._lock = threading.Lock()
        self._indexed = 0
        self._by_key: dict[str, list[str]] = {}

    def resolve(self, name: str) -> Resolution:
        """Return what a name stands for: an id before a key, as it is before stripped of blanks."""
        found = self._exactly(name)
        stripped = name.strip()
        if found is _FOREIGN and stripped != name:
            found = self._exactly(stripped)
        return found

    def _exactly(self, name: str) -> Resolution:
        if name in self._messages:
            return Resolution(kind="id", message=name, candidates=(name,))
        with self._lock:
            self._index()
            owners = tuple(self._by_key.get(name, ()))
        if len(owners) == 1:
            return Resolution(kind="key", message=owners[0], candidates=owners)
        if owners:
            return Resolution(kind="ambiguous", candidates=owners)
        return _UNEXPECTED if is_id(name) else _FOREIGN

    def _index(self) -> None:
        while self._indexed < len(self._messages):
            try:
                added = list(islice(self._messages.values(), self._indexed, None))
            except RuntimeError:  # grew while it was read: look again
                continue
            for message in added:
                for name in {message.key, message.message_id} - {None}:
                    self._by_key.setdefault(str(name), []).append(message.id)
            self._indexed += len(added)
