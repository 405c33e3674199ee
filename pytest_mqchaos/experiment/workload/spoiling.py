"""Bad messages for a producer's consumers: made of copies of what it sent, and sent the same way.

Nothing of the application's is changed. A copy has the properties, headers and route of the message that it is made
of, an id of our own, and no other message's key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pytest_mqchaos import payloads
from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model.faults import Fault
from pytest_mqchaos.model.messages import Message, digest, message_id
from pytest_mqchaos.payloads.attributes import ID_HEADER
from pytest_mqchaos.wire.amqp.events import PublishSent

__all__ = ["Seen", "spoilt"]

_HEADER = "header "
_NOT_OURS = ("delivery_mode", "cluster_id", "user_id")
"""Properties that say who sent a message, or that stand elsewhere in a plan."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A message of a producer, and how it was sent."""

    message: Message
    event: PublishSent


class _Copyist:
    """Makes sound drafts of copies; what the spoiler asks of a maker."""

    def __init__(
        self, seen: Sequence[Seen], *, run: str, seed: int, key: payloads.KeyRule, number: int
    ) -> None:
        self.run = run
        self.seed = seed
        self.key = key
        self._seen = seen
        self._first = seen[0].message.number
        self._shift = number - self._first - len(seen)
        self._templates: dict[int, Seen] = {}

    def draft(self, number: int, like: int | None = None) -> payloads.Draft:
        """Return a copy of message `like` of those seen, with a number and an id of its own."""
        if like is None:
            raise UsageError("a copy is made of a message")
        original = self._seen[like - self._first]
        number += self._shift
        self._templates[number] = original
        message, known = original.message, original.event.properties
        identity = message_id(message.queue or message.exchange, self.run, number)
        terms = known.contract()
        headers = {name[len(_HEADER) :]: terms[name] for name in terms if name.startswith(_HEADER)}
        properties = {name: terms[name] for name in terms if not name.startswith((_HEADER, *_NOT_OURS))}
        if isinstance(moment := properties.get("timestamp"), bytes):
            properties["timestamp"] = int.from_bytes(moment)
        if known.expiration is not None:
            properties["expiration"] = known.expiration
        if known.message_id is not None:
            properties["message_id"] = identity
        return payloads.Draft(number, identity, message.body, {**headers, ID_HEADER: identity}, properties)

    def planned(self, draft: payloads.Draft, **fields: object) -> payloads.Planned:
        """Return the draft as a message of a plan."""
        like = self._templates[draft.number].message
        message = replace(like, id=draft.id, number=draft.number, body=draft.body, digest=digest(draft.body),
                          message_id=None, producer="", confirm=True,
                          headers=payloads.told_headers(draft.headers), **fields)  # type: ignore[arg-type]  # fmt: skip
        return payloads.Planned(message=message, headers=draft.headers, properties=draft.properties)


def spoilt(
    seen: Sequence[Seen],
    faults: Sequence[Fault],
    *,
    run: str,
    seed: int,
    key: payloads.KeyRule,
    number: int,
    poison: str,
) -> list[payloads.Plan]:
    """Return the bad messages that payload faults add to what a producer sent, a plan for each way they were sent.

    Args:
        seen: its messages, at least one, in the order of their numbers.
        faults: of payloads.
        run, seed: of the run.
        key: how the key of a message is found.
        number: of the first bad message.
        poison: what is to become of poison.

    Raises:
        UsageError: if a kind was named that cannot be made of what was sent.
    """
    __tracebackhide__ = True
    first = seen[0].message.number
    dense = [Seen(replace(one.message, number=first + i), one.event) for i, one in enumerate(seen)]
    maker = _Copyist(dense, run=run, seed=seed, key=key, number=number)
    good = [payloads.Planned(message=one.message, headers={}, properties={}) for one in dense]
    ways: dict[tuple[str, str, bool], list[payloads.Planned]] = {}
    for bad in payloads.Spoiler(maker, good, (), poison).spoilt(faults):
        one = bad.message
        ways.setdefault((one.exchange, one.routing_key, one.mandatory), []).append(bad)
    last = number + sum(map(len, ways.values()))
    return [
        payloads.Plan(
            run=run,
            seed=seed,
            queue="" if exchange else routing_key,
            exchange=exchange,
            routing_key=routing_key,
            entries=tuple(entries),
            mandatory=mandatory,
            next_number=last,
        )
        for (exchange, routing_key, mandatory), entries in ways.items()
    ]
