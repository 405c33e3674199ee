"""Keys: the application's own identity of a message, read off its body or told by the test."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.payloads.drafts import Draft, told

__all__ = ["KeyRule"]


@dataclass(frozen=True, slots=True)
class KeyRule:
    """How the key of a message is found: by the name of a JSON field, by a function, or not at all."""

    rule: str | Callable[[Draft], object] | None
    name: str = "key"
    """What the test calls it: `key`, as in `publish(key=...)`, or `ordered`, as in `ordered(...)`."""

    @classmethod
    def of(cls, value: object) -> KeyRule:
        """Return the rule that `publish(key=...)` states.

        Raises:
            UsageError: if it is neither a name nor a function.
        """
        __tracebackhide__ = True
        if value is None or callable(value) or (isinstance(value, str) and value):
            return cls(value)
        raise UsageError(f"publish(): key={value!r}: the name of a JSON field, or a function of the message")

    def __call__(self, draft: Draft) -> str | None:
        """Return the key of a message as text, None where no rule was given.

        Raises:
            UsageError: if there is none, or it is no plain value.
        """
        __tracebackhide__ = True
        if self.rule is None:
            return None
        if isinstance(self.rule, str):
            value, where = self._field(draft), f"{self.written}: of message {draft.number} it is "
        else:
            call = "key" if self.name == "key" else f"{self.written}: by"
            call = f"{call}(message {draft.number})"
            value, where = told(call, self.rule, draft), f"{call} returned "
        if isinstance(value, bytes):
            value = value.decode(errors="surrogateescape")
        if isinstance(value, bool) or not isinstance(value, str | int | float) or value == "":
            raise UsageError(f"publish(): {where}{value!r}: a key is text or a number, and not empty")
        return str(value)

    @property
    def written(self) -> str:
        """The rule as the test wrote it."""
        name = getattr(self.rule, "__name__", "")
        shown = (
            repr(self.rule) if isinstance(self.rule, str) else name if name.isidentifier() else "a function"
        )
        return f"key={shown}" if self.name == "key" else f"{self.name}({shown})"

    def replaced(self, body: bytes, key: str) -> bytes | None:
        """Return the body with another key, or None where only the test's function knows where it stands."""
        if not isinstance(self.rule, str):
            return None
        return json.dumps({**json.loads(body), self.rule: key}).encode()

    def _field(self, draft: Draft) -> object:
        __tracebackhide__ = True
        try:
            content = draft.json
        except (ValueError, RecursionError):
            content = None
        if isinstance(content, dict) and self.rule in content:
            return content[self.rule]
        shown = f"{draft.body[:80]!r}{'...' if len(draft.body) > 80 else ''}"
        why = f"has no field {self.rule!r}" if isinstance(content, dict) else "is no JSON object"
        raise UsageError(f"publish(): {self.written}: the body of message {draft.number} {why}: {shown}")
