"""The messages of a workload and their identity.

An id is `<queue or exchange>-<run>-<number>`, e.g. `orders-k3f9-000017`: good messages are numbered 1 to count,
poison follows. The run's token is fresh each time and never seeded.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass

from pytest_mqchaos.model.faults import DEBATABLE_KINDS

__all__ = ["Message", "digest", "is_id", "message_id", "new_run"]

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_ID = re.compile(r"^(?P<stem>.+)-(?P<run>[a-z2-9]{4})-(?P<number>\d{6,})$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message of the workload: what was to be published."""

    id: str
    number: int
    body: bytes
    digest: str
    key: str | None = None
    """The application's own identity of the message, by which effects may name it."""
    poison: bool = False
    kind: str = ""
    """How a poison message was made (`truncated`, ..., `own`)."""
    expect: int = 1
    """How many effects it should have."""
    queue: str = ""
    """The queue published to through the default exchange, else empty."""
    exchange: str = ""
    routing_key: str = ""
    persistent: bool = True
    mandatory: bool = True
    confirm: bool = True
    message_id: str | None = None
    """The application's own `message_id`, where a producer published it; it names the message as a key does."""
    producer: str = ""
    """Which producer published it; empty for what our own publisher did."""
    headers: tuple[tuple[str, str], ...] = ()
    """The application's own headers, their values as text."""
    key_shared: bool = False
    """Whether another message of the run carries the same key."""
    key_legible: bool = True
    """Whether a consumer that reads it as sound messages are read finds its key, and so can name it by that."""

    @property
    def debatable(self) -> bool:
        """Whether it is malformed in a way that a consumer may rightly process."""
        return self.kind in DEBATABLE_KINDS


def new_run() -> str:
    """Return a fresh token of four characters, unlike that of any other run for all practical purposes."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(4))


def message_id(stem: str, run: str, number: int) -> str:
    """Return the id of message `number` (from 1) of `run`, published to the queue or exchange `stem`."""
    return f"{stem}-{run}-{number:06d}"


def is_id(text: str, run: str | None = None) -> bool:
    """Whether `text` has the form of an id of this plugin (of `run`, if given)."""
    found = _ID.match(text)
    return found is not None and (run is None or found["run"] == run)


def digest(body: bytes) -> str:
    """Return a short digest of a body, the same that the wire's scanners take."""
    return hashlib.blake2b(body, digest_size=8).hexdigest()
