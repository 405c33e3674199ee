"""The maker: one good message of a plan from its number, and the drafts that bad ones are made from."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pytest_mqchaos.model.messages import Message, digest, message_id
from pytest_mqchaos.payloads.attributes import ID_HEADER, checked_headers, checked_properties, told_headers
from pytest_mqchaos.payloads.bodies import default_body, encoded
from pytest_mqchaos.payloads.drafts import Draft, made, rng, told, whole
from pytest_mqchaos.payloads.keys import KeyRule
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

    def planned(self, draft: Draft, **fields: object) -> Planned:
        """Return the draft as a message of the plan."""
        message = replace(self.template, id=draft.id, number=draft.number, body=draft.body,
                          digest=digest(draft.body), headers=told_headers(draft.headers), **fields)  # type: ignore[arg-type]  # fmt: skip
        return Planned(message=message, headers=draft.headers, properties=draft.properties)
