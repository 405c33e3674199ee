"""Which message of this run a body on the wire is.

The header `x-mqchaos-id` if it is an id of this run, else `message_id` if it is, or if a producer of the run published
with it, else the application's key, else the digest of the body where that is unique: retry code publishes with fresh
properties, consumers know keys only. Of several with one body, `twins` says which of them a copy without a name is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from pytest_mqchaos.link.contracts import Contracts
from pytest_mqchaos.link.twins import Twins
from pytest_mqchaos.model.messages import Message, is_id

__all__ = ["How", "Identity", "Labels"]

How = Literal["header", "message_id", "key", "digest", ""]
KeyOf = Callable[[bytes, "Labels"], str | None]


class Labels(Protocol):
    """What a message's properties must tell (satisfied by the scanners' own)."""

    @property
    def message_id(self) -> str | None:
        """The property `message_id`."""

    @property
    def mqchaos_id(self) -> str | None:
        """The header `x-mqchaos-id`."""


class Identity:
    """The identities of one run's messages; filled before each publish, asked by every link."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._by_key: dict[str, str | None] = {}
        self._by_digest: dict[str, str | None] = {}
        self._by_message_id: dict[str, str | None] = {}
        """By the application's own `message_id`, of what its producers published."""
        self._keys: list[KeyOf] = []
        self.contracts = Contracts()
        """What each message was published with."""
        self.twins = Twins()
        """Those that share their body with others."""

    def learn(self, message: Message) -> None:
        """Make one message of the workload recognisable; a key or digest that two share names neither."""
        for index, value in (
            (self._by_key, message.key),
            (self._by_digest, message.digest),
            (self._by_message_id, message.message_id),
        ):
            if value:
                index[value] = None if value in index else message.id
        if message.digest:
            self.twins.learn(message.id, message.digest)

    def learn_key(self, key_of: KeyOf) -> None:
        """Recognise messages without our id by what `key_of(body, properties)` returns."""
        self._keys.append(key_of)

    def known(self, message: Message) -> bool:
        """Whether anything tells a message of a producer from all others."""
        return any(
            value and index.get(value) == message.id
            for index, value in (
                (self._by_message_id, message.message_id),
                (self._by_key, message.key),
                (self._by_digest, message.digest),
            )
        )

    def key_of(self, labels: Labels, body: bytes | None) -> str | None:
        """Return the key that a body has by the first rule that finds one."""
        if body is None:
            return None
        return next((key for key_of in self._keys if (key := key_of(body, labels)) is not None), None)

    def of(self, labels: Labels, body: bytes | None, digest: str | None) -> tuple[str | None, How]:
        """Return the id of the message, and by what it was recognised; (None, "") for foreign traffic."""
        if labels.mqchaos_id is not None and is_id(labels.mqchaos_id, self._run):
            return labels.mqchaos_id, "header"
        if labels.message_id is not None and is_id(labels.message_id, self._run):
            return labels.message_id, "message_id"
        if labels.message_id is not None:
            found = self._by_message_id.get(labels.message_id)
            if found is not None:
                return found, "message_id"
        if body is not None:
            for key_of in self._keys:
                key = key_of(body, labels)
                found = None if key is None else self._by_key.get(key, key if is_id(key, self._run) else None)
                if found is not None:
                    return found, "key"
        if digest is not None:
            found = self._by_digest.get(digest)
            if found is not None:
                return found, "digest"
        return None, ""
