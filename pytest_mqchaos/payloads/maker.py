"""The maker: one message of a plan from its number, good, malformed or the test's own poison."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from random import Random

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model.faults import Fault
from pytest_mqchaos.model.messages import Message, digest, message_id
from pytest_mqchaos.payloads.attributes import ID_HEADER, checked_headers, checked_properties
from pytest_mqchaos.payloads.bodies import default_body, encoded
from pytest_mqchaos.payloads.drafts import Draft, made, rng, told, whole
from pytest_mqchaos.payloads.keys import KeyRule
from pytest_mqchaos.payloads.malformed import KINDS, malformed
from pytest_mqchaos.payloads.plans import Planned

__all__ = ["Maker"]

_STEM = 100
"""Characters of a queue's or exchange's name that its messages' ids carry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """Makes the messages of a plan, each from its number alone.

    `template` holds what all of them share; the other fields are as the test gave them.
    """

    run: str
    seed: int
    template: Message
    body: object
    headers: object
    properties: object
    key: KeyRule
    expect: object

    def draft(self, number: int, like: int | None = None) -> Draft:
        """Return message `number` with its sound body, or with all that message `like` is made of."""
        __tracebackhide__ = True
        stem = (self.template.queue or self.template.exchange)[:_STEM]
        stem = "".join(c if c.isprintable() and not c.isspace() else "_" for c in stem)
        identity = message_id(stem, self.run, number)
        like = like or number
        if self.body is None:
            body, as_json = default_body(like, self.run, rng(self.seed, "body", like)), True
        else:
            body, as_json = encoded(*made("body", self.body, like, self.seed))
        headers = checked_headers(*made("headers", self.headers, like, self.seed))
        properties = checked_properties(*made("properties", self.properties, like, self.seed))
        if as_json:
            properties.setdefault("content_type", "application/json")
        properties.setdefault("message_id", identity)
        return Draft(number, identity, body, {**headers, ID_HEADER: identity}, properties)

    def good(self, number: int) -> Planned:
        """Return a good message."""
        __tracebackhide__ = True
        draft = self.draft(number)
        key = self.key(draft)
        expect = self.expect
        if callable(expect):
            value = told(f"expect(message {number})", expect, replace(draft, key=key))
            expect = whole(value, f"expect(message {number}) returned ", least=0)
        return self.planned(draft, key=key, expect=expect)

    def malformed(self, draft: Draft, kind: str, keys: Collection[str]) -> Planned:
        """Return a malformed message, made from a sound draft; it has no key of `keys`.

        Where the draft has (a body that is the same for all), its key is replaced first. That cannot be done
        where only the test's own function knows where the key stands: such a message has no key for us.
        """
        key = self._own_key(draft)
        if key in keys:
            key = f"poison-{self.run}-{draft.number}"
            body = self.key.replaced(draft.body, key)
            draft, key = (draft, None) if body is None else (replace(draft, body=body), key)
        body = malformed(draft.body, kind, rng(self.seed, kind, draft.number))
        return self.planned(replace(draft, body=body), key=key, expect=0, poison=True, kind=kind)

    def own(self, draft: Draft, body: bytes, keys: Collection[str]) -> Planned:
        """Return a message with the user's own bad body; a key of `keys` counts for the good message alone."""
        draft = replace(draft, body=body)
        key = self._own_key(draft)
        return self.planned(draft, key=None if key in keys else key, expect=0, poison=True, kind="own")

    def _own_key(self, draft: Draft) -> str | None:
        try:
            return self.key(draft)
        except UsageError:
            return None

    def planned(self, draft: Draft, **fields: object) -> Planned:
        """Return the draft as a message of the plan."""
        message = replace(self.template, id=draft.id, number=draft.number, body=draft.body,
                          digest=digest(draft.body), **fields)  # type: ignore[arg-type]  # fmt: skip
        return Planned(message=message, headers=draft.headers, properties=draft.properties)

    def bad(self, faults: Sequence[Fault], first: int, count: int, keys: Collection[str]) -> list[Planned]:
        """Return the malformed and poison messages that the faults ask for.

        Args:
            faults: those of other families are left alone.
            first: the number of the first of them.
            count: how many good messages there are.
            keys: the keys of the good messages.
        """
        __tracebackhide__ = True
        wanted = [one for fault in faults for one in _wanted(fault, count, rng(self.seed, "kinds", first))]
        rng(self.seed, "order", first).shuffle(wanted)
        entries: list[Planned] = []
        for number, (kind, body) in enumerate(wanted, first):
            draft = self._sound(number, like=first - count + (number - first) % count)
            entries.append(
                self.own(draft, body, keys) if kind == "own" else self.malformed(draft, kind, keys)
            )
        return entries

    def _sound(self, number: int, *, like: int) -> Draft:
        """Return a sound draft of a bad message; the test's functions may know the good numbers only."""
        __tracebackhide__ = True
        try:
            return self.draft(number)
        except UsageError:
            return self.draft(number, like)


def _wanted(fault: Fault, count: int, generator: Random) -> Iterator[tuple[str, bytes]]:
    """Yield kind and body of each bad message that a fault asks for; each kind once before any twice."""
    options = dict(fault.options)
    if fault.kind == "malformed_payload":
        kinds = list(options["kinds"] or KINDS)  # type: ignore[call-overload]
        generator.shuffle(kinds)
        number = max(1, round(count * float(options["share"])))  # type: ignore[arg-type]
        yield from ((kind, b"") for kind in islice(cycle(kinds), number))
    elif fault.kind == "poison_message":
        yield from [("own", options["body"])] * options["count"]  # type: ignore[operator,misc]
