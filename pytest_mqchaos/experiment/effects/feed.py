"""One file that effects are read from: what its lines say, and what went wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_mqchaos.effects.file import EffectsFile
from pytest_mqchaos.errors import ChaosError

__all__ = ["Feed", "entry_field"]


@dataclass(slots=True, eq=False)
class Feed:
    """A file that the consumer writes, or its output."""

    file: EffectsFile
    name: str
    """Of the source that it belongs to; several files may be one source."""
    consumer: str | None
    key: Callable[[object], object] | None = None
    pattern: re.Pattern[str] | None = None
    """What is looked for in the lines of a program's output."""
    given: bool = False
    """Whether it is the file that a consumer was given, `$MQCHAOS_EFFECTS`, not one that the test named."""
    wrapped: bool = False
    """Whether it is what a wrapped function of a consumer told, which the test named when it started that."""
    trouble: ChaosError | None = None
    """Why it could not be read, the first time."""

    @property
    def in_order(self) -> bool:
        """Whether its order against the acks can be known: a program's output may lie in a buffer of its own."""
        return self.pattern is None

    def read(self, *, final: bool = False) -> list[str]:
        """Return the ids and keys that it says since the last time; `trouble` tells if that could not be."""
        found: list[str] = []
        try:
            for line in self.file.read(final=final):
                found.extend(
                    entry if self.key is None else str(self.key(entry)) for entry in self._entries(line)
                )
            if self.file.complaint:
                said = f"consumer(effect_after=...): {self.consumer}: {self.file.complaint}"
                self.trouble = self.trouble or ChaosError(said)
        except Exception as error:
            text = " ".join(str(error).split()) or "no text"
            what = (
                f"could not be read: {text}"
                if isinstance(error, OSError)
                else f"key raised {type(error).__name__}: {text}"
            )
            self.trouble = self.trouble or ChaosError(f"the effects source {self.name}: {what}")
        return found

    def _entries(self, line: str) -> list[str]:
        """What a line says: itself, or what the pattern finds in it: of its groups, the first that took part."""
        if self.pattern is None:
            return [line]
        found = list(self.pattern.finditer(line))
        if not self.pattern.groups:
            return [each[0] for each in found if each[0]]
        groups = (next((one for one in each.groups() if one is not None), "") for each in found)
        return [one for one in groups if one]


def entry_field(name: str) -> Callable[[Any], object]:
    """Return what reads a field of an entry, a line of JSON or a mapping; one without the field stays as it is.

    So it is counted among those that name no message.
    """

    def read(entry: Any) -> object:
        content = entry
        if isinstance(entry, str | bytes):
            try:
                content = json.loads(entry)
            except (ValueError, RecursionError):
                return entry
        value = content.get(name) if isinstance(content, Mapping) else None
        return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else entry

    return read
