"""Having one function of a Python consumer wrapped: what the test says, and the environment that does it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from pytest_mqchaos.errors import UsageError

__all__ = ["Wrapping"]

_TARGET = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_INSIDE = Path(__file__).parent / "inside"


@dataclass(frozen=True, slots=True)
class Wrapping:
    """Which function's return is an effect, and what names its message."""

    target: str
    key: str | None

    @classmethod
    def of(cls, target: object, key: object) -> Wrapping | None:
        """Return what `consumer(effect_after=, effect_key=)` says, None if it says nothing.

        Raises:
            UsageError: if it is no function's name, or a key without one.
        """
        __tracebackhide__ = True
        if target is None:
            if key is not None:
                raise UsageError(f"consumer(): effect_key={key!r} goes with effect_after=")
            return None
        if not isinstance(target, str) or not _TARGET.fullmatch(target):
            raise UsageError(
                f"consumer(): effect_after={target!r}: a function as module:name, such as 'shop.handlers:book' "
                "or 'shop.handlers:Booker.book'"
            )
        if target.partition(":")[0] == "__main__":
            raise UsageError(
                f"consumer(): effect_after={target!r}: in the program's own file nothing can be wrapped: it is not "
                "imported but run; name a function of a module that it imports, or call probe.effect(id) there"
            )
        if key is not None and not (isinstance(key, str) and key.isidentifier()):
            raise UsageError(f"consumer(): effect_key={key!r}: the name of an argument, or of a field of one")
        return cls(target, key)

    def environment(self, env: dict[str, str], file: Path) -> dict[str, str]:
        """Return the environment of a process with the hook in it, which tells of calls in a file."""
        path = os.pathsep.join(filter(None, (str(_INSIDE), env.get("PYTHONPATH"))))
        return env | {
            "PYTHONPATH": path,
            "MQCHAOS_EFFECT_AFTER": self.target,
            "MQCHAOS_EFFECT_KEY": self.key or "",
            "MQCHAOS_EFFECT_AFTER_FILE": str(file),
        }
