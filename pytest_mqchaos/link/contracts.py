"""What each message of the workload was published with, and what of that a delivery has lost.

The contract of a message are the properties and headers that its publisher set, but for those that a broker may write
or take away itself. What is added on the way is nobody's concern.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["Contracts", "Terms"]


class Terms(Protocol):
    """The properties of a message (satisfied by the scanners' own)."""

    @property
    def raw(self) -> bytes:
        """Their bytes: equal bytes need not be read."""

    def contract(self) -> dict[str, object]:
        """Return what the broker has to keep, by name."""


class Contracts:
    """The contracts of one run's messages; filled by our publisher's link, asked by every other."""

    def __init__(self) -> None:
        self._known: dict[str, Terms] = {}

    def learn(self, message: str, terms: Terms) -> None:
        """Note with what a message of the workload was published; of two publications the first counts."""
        self._known.setdefault(message, terms)

    def altered(self, message: str | None, terms: Terms) -> tuple[str, ...]:
        """Return the names of what is missing or other than it was published, in order."""
        known = None if message is None else self._known.get(message)
        if known is None or known.raw == terms.raw:
            return ()
        wanted, found = known.contract(), terms.contract()
        return tuple(sorted(name for name in wanted if not _same(wanted[name], found.get(name, ...))))


def _same(one: object, other: object) -> bool:
    """Whether two values are the same; one that is not a number equals nothing, not even itself."""
    return one == other or repr(one) == repr(other)
