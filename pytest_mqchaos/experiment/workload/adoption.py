"""The messages of a producer: which message of the workload each of its publishes is.

```
basic.publish ──► sent before? ──yes──► the same message, once more
                       └──────no──► a new one: the run's next number, known by message_id, key or digest
```
Nothing is written into what the application sends. A publish is of a message that was sent before if it has its
`message_id` and its body (or key), or its key; without either, if it has the body of one that the broker has not
taken responsibility for: so a retry is told from a second message that reads the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from pytest_mqchaos.link.identity import Identity, Labels
from pytest_mqchaos.model.copies import Record
from pytest_mqchaos.model.history import History
from pytest_mqchaos.model.messages import Message, message_id
from pytest_mqchaos.model.names import Names
from pytest_mqchaos.wire.amqp.events import PublishSent

__all__ = ["Adopted", "Adoption", "Numbering"]

_STEM = 100
"""Characters of a queue's or exchange's name that its messages' ids carry."""


class Numbering(Protocol):
    """What counts the messages of a run."""

    token: str
    next_number: int


@dataclass(slots=True)
class Adopted:
    """The messages of all producers of a run: one may send what another has sent before."""

    by_message_id: dict[str, str] = field(default_factory=dict)
    by_key: dict[str, str] = field(default_factory=dict)
    by_digest: dict[str, list[str]] = field(default_factory=dict)


class Adoption:
    """Knows the messages of one producer; called on the link's thread, for each of its publishes.

    Args:
        producer: its name.
        numbering: of the run; the history's lock guards it.
        index: what producers of the run sent so far.
        history: where new messages are made known.
        identity: by which every link recognises them.
        names: of the run, plain and full.
        key_of: reads the application's key off a body, None if no rule was given.
        record: what is known of a message so far.
    """

    def __init__(
        self,
        producer: str,
        *,
        numbering: Numbering,
        index: Adopted,
        history: History,
        identity: Identity,
        names: Names,
        key_of: Callable[[bytes, Labels], str | None] | None,
        record: Callable[[str], Record | None],
    ) -> None:
        self.ids: list[str] = []
        """The messages that it was the first to publish, in the order of publishing."""
        self.published: dict[str, None] = {}
        """All that it has published, each once: also what another producer had sent before."""
        self.sent: dict[str, PublishSent] = {}
        """How each of `ids` was sent first."""
        self.last = time.monotonic()
        """When it published last."""
        self._producer = producer
        self._numbering = numbering
        self._history = history
        self._identity = identity
        self._names = names
        self._key_of = key_of
        self._record = record
        self._index = index

    def __call__(self, event: PublishSent) -> str:
        """Return the id of the message that was just published."""
        with self._history.changed:
            self.last = time.monotonic()
            key = self.key(event)
            found = self._before(event, key) or self._new(event, key)
            self.published[found] = None
            return found

    def claimed(self, name: str) -> str:
        """Make a message known that the producer only said it sent, and return its id."""
        with self._history.changed:
            stem = next(iter(self.ids), self._producer).rpartition(f"-{self._numbering.token}-")[0]
            return self._learn(
                Message(
                    id=self._next_id(stem or self._producer),
                    number=self._numbering.next_number,
                    body=b"",
                    digest="",
                    key=name,
                    producer=self._producer,
                )
            )

    def alike(self) -> list[str]:
        """Return the messages that nothing tells from others: same body, and no `message_id` or key of their own."""
        messages = self._history.messages
        return [one for one in self.ids if not self._identity.known(messages[one])]

    def key(self, event: PublishSent) -> str | None:
        """The application's own identity of what it sent."""
        if self._key_of is None or event.body is None:
            return None
        return self._key_of(event.body, event.properties)

    def _before(self, event: PublishSent, key: str | None) -> str | None:
        """Return the message that this is once more, None for a new one."""
        ours, how = self._identity.of(event.properties, None, None)
        if how == "header":
            return ours
        own = event.properties.message_id
        same = None if own is None else self._index.by_message_id.get(own)
        if same is not None:
            first = self._history.messages[same]
            if first.digest == (event.digest or "") or (key is not None and first.key == key):
                return same
        if key is not None:
            return self._index.by_key.get(key)
        if own is not None or event.digest is None:
            return None
        return next((one for one in self._index.by_digest.get(event.digest, ()) if self._open(one)), None)

    def _open(self, name: str) -> bool:
        """Whether the broker has not taken responsibility for a message, and will not any more."""
        record = self._record(name)
        return record is not None and record.message.confirm and not (record.ok or record.outstanding)

    def _new(self, event: PublishSent, key: str | None) -> str:
        exchange = self._names.plain(event.exchange)
        routing_key = event.routing_key if exchange else self._names.plain(event.routing_key)
        own = event.properties.message_id or None
        message = Message(
            id=self._next_id(exchange or routing_key),
            number=self._numbering.next_number,
            body=event.body or b"",
            digest=event.digest or "",
            key=key,
            message_id=own,
            producer=self._producer,
            queue="" if exchange else routing_key,
            exchange=exchange,
            routing_key=routing_key,
            persistent=event.properties.delivery_mode == 2,
            mandatory=event.mandatory,
            confirm=event.number is not None,
        )
        self.ids.append(message.id)
        self.sent[message.id] = event
        if own is not None:
            self._index.by_message_id.setdefault(own, message.id)
        if event.digest is not None:
            self._index.by_digest.setdefault(event.digest, []).append(message.id)
        return self._learn(message)

    def _next_id(self, stem: str) -> str:
        plain = "".join(c if c.isprintable() and not c.isspace() else "_" for c in stem[:_STEM])
        return message_id(plain, self._numbering.token, self._numbering.next_number)

    def _learn(self, message: Message) -> str:
        self._numbering.next_number += 1
        if message.key is not None:
            self._index.by_key.setdefault(message.key, message.id)
        self._history.plan(message)
        self._identity.learn(message)
        return message.id
