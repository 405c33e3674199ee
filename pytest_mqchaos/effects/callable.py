"""A callable of the user's that says what work was done: a query, a scan, a request."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from decimal import Decimal
from numbers import Integral
from uuid import UUID

from pytest_mqchaos.errors import ChaosError, UsageError

__all__ = ["EffectsCall", "describe", "name_of"]

_SHOWN = 80
_RETURN = "return ids or keys (str, int or bytes), or a dict of them to counts"


class EffectsCall:
    """Asks a callable for all work that was done so far, and gives it as names with counts."""

    def __init__(self, function: Callable[[], object]) -> None:
        """Keep the callable.

        Raises:
            UsageError: if it is not callable, or an async function.
        """
        if not callable(function):
            raise UsageError(f"effects({_short(function)}): a path, or a callable that returns ids or keys")
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise UsageError(
                f"effects({describe(function)}): is async; it is called in the test's thread: give a plain function"
            )
        self.function = function
        self.description = describe(function)
        self.single = False
        """Whether what it returned last holds each entry once, whatever was done."""

    def read(self) -> dict[str, int]:
        """Return how often each id or key shows, now.

        Raises:
            ChaosError: if the callable raises, or returns something else than ids, keys or their counts.
        """
        try:
            value = self.function()
            if isinstance(value, Mapping):
                return self._counts(value)
            if value is None or isinstance(value, str | bytes) or not isinstance(value, Iterable):
                if inspect.iscoroutine(value):
                    value.close()
                raise self._wrong(f"returned {_short(value)}")
            self.single = isinstance(value, Set)
            counts: dict[str, int] = {}
            for entry in value:
                name = self._name(entry)
                counts[name] = counts.get(name, 0) + 1
            return counts
        except ChaosError:
            raise
        except Exception as error:
            text = " ".join(str(error).split()) or "no text"
            raise ChaosError(f"effects({self.description}) raised {type(error).__name__}: {text}") from error

    def _counts(self, value: Mapping[object, object]) -> dict[str, int]:
        counts: dict[str, int] = {}
        for entry, count in value.items():
            if isinstance(count, bool) or not isinstance(count, Integral) or int(count) < 0:
                raise self._wrong(f"returned the count {_short(count)} for {_short(entry)}")
            if int(count):
                name = self._name(entry)
                counts[name] = counts.get(name, 0) + int(count)
        return counts

    def _name(self, entry: object) -> str:
        name = name_of(entry)
        if name is None:
            raise self._wrong(f"returned the entry {_short(entry)}")
        return name

    def _wrong(self, what: str) -> ChaosError:
        return ChaosError(f"effects({self.description}) {what}: {_RETURN}")


def name_of(entry: object) -> str | None:
    """Return an id or key as text, or None where it is none. A row of one column counts as its value."""
    if isinstance(entry, str):
        return entry
    if isinstance(entry, bytes | bytearray | memoryview):
        return bytes(entry).decode("utf-8", "backslashreplace")
    if isinstance(entry, bool):
        return None
    if isinstance(entry, Integral):
        return str(int(entry))
    if isinstance(entry, UUID):
        return str(entry)
    if isinstance(entry, Decimal):
        return str(int(entry)) if entry == entry.to_integral_value() else str(entry)
    return _of_row(entry)


def _of_row(entry: object) -> str | None:
    if isinstance(entry, Mapping):
        return name_of(next(iter(entry.values()))) if len(entry) == 1 else None
    if isinstance(entry, Sequence) or (hasattr(entry, "keys") and hasattr(entry, "__getitem__")):
        columns = (
            tuple(entry) if isinstance(entry, Iterable) else ()
        )  # a database's row: `sqlite3.Row` is no Sequence
        return name_of(columns[0]) if len(columns) == 1 else None
    return None


def describe(function: object) -> str:
    """Return a callable's name as its author knows it."""
    name = getattr(function, "__qualname__", None) or getattr(
        getattr(function, "func", None), "__qualname__", None
    )
    return str(name or type(function).__qualname__).replace("<locals>.", "")


def _short(value: object) -> str:
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
