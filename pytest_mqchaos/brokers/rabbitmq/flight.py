"""A flight: which messages of a plan are sent, in the air, and answered; pure bookkeeping of one publisher.

```
not sent ──sent()──► in the air ──answered()──► confirmed, nacked, returned, sent
    └─ abandon() ► failed      └───lost()─────► indeterminate
```
Few messages are in the air: as many as the window lets, which begins small on every new connection and doubles as
answers come (as TCP's does), up to a sixteenth of the plan. What a fault makes indeterminate, and so beyond judging,
is bounded by that, while a large burst still runs at full speed. No message is sent twice, but where the plan
repeats it: then the better of its two outcomes stands.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal

from pytest_mqchaos.model.messages import Message
from pytest_mqchaos.payloads import Plan, Planned

__all__ = ["Flight", "Outcome"]

Outcome = Literal["confirmed", "returned", "nacked", "sent", "indeterminate", "failed"]
"""What became of a message.

`sent` is what can be known without confirms: the broker's channel has processed it. `indeterminate` was written to a
connection that was lost before an answer; `failed` was never written to any.
"""

_TAKEN = ("confirmed", "sent")
"""Outcomes that nothing later can worsen."""

_FIRST_WINDOW = 8
_WIDEST_WINDOW = 256
_SHARE = 16
_WINDOW_BYTES = 4 * 1024 * 1024


class Flight:
    """The messages of a plan between not sent and answered. It knows no socket and no clock."""

    def __init__(self, plan: Plan) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self._entries = plan.entries
        self._widest = min(_WIDEST_WINDOW, max(_FIRST_WINDOW, len(plan.entries) // _SHARE))
        self._schedule = plan.schedule()
        self._due = next(self._schedule, 0.0)
        self._started: float | None = None
        self._next = 0
        self.launch()
        self._returned: set[str] = set()

    def launch(self) -> None:
        """Begin a new connection: tags count from 1 again, and the window is small."""
        self._air: dict[int, Message] = {}
        self._air_bytes = 0
        self._last = 0
        self._oldest = 1
        self._window = _FIRST_WINDOW
        self._answers = 0

    @property
    def waiting(self) -> Planned | None:
        """The next message to send, None if all were."""
        return self._entries[self._next] if self._next < len(self._entries) else None

    @property
    def in_air(self) -> int:
        """How many messages were sent on this connection and are not answered."""
        return len(self._air)

    @property
    def last_tag(self) -> int:
        """The tag of the message sent last, 0 if there is none on this connection."""
        return self._last

    @property
    def landed(self) -> bool:
        """Whether all were sent, and nothing is in the air."""
        return self._next >= len(self._entries) and not self._air

    def room(self) -> int:
        """How many messages may be sent now: none until half of the window is free, since a batch costs less."""
        if len(self._air) > self._window // 2 or self._air_bytes >= _WINDOW_BYTES:
            return 0
        return self._window - len(self._air)

    def wait_for_next(self, now: float) -> float:
        """Return the seconds until the next message is due, 0 or less if it is. The first one is due at once."""
        if self._started is None:
            self._started = now
        return self._started + self._due - now

    def sent(self) -> None:
        """The next message was written to the connection."""
        message = self._entries[self._next].message
        self._advance()
        self._last += 1
        self._air[self._last] = message
        self._air_bytes += len(message.body)

    def failed(self) -> Message:
        """The next message cannot be written to any connection; return it."""
        message = self._entries[self._next].message
        self._advance()
        self.outcomes.setdefault(message.id, "failed")
        return message

    def returned(self, identity: str) -> None:
        """The broker gave a message back; that beats the confirm that follows."""
        self._returned.add(identity)

    def answered(self, tag: int, *, multiple: bool, outcome: Outcome) -> None:
        """The broker answered the message with this tag, or all up to it."""
        first = self._oldest if multiple else tag
        for each in range(first, tag + 1):
            message = self._air.pop(each, None)
            if message is not None:
                self._settle(message, outcome)
        while self._oldest <= self._last and self._oldest not in self._air:
            self._oldest += 1
        if self._answers >= self._window < self._widest:
            self._window = min(self._window * 2, self._widest)
            self._answers = 0

    def lost(self) -> None:
        """The connection is lost: what is in the air is known only if it came back."""
        for message in self._air.values():
            self._settle(message, "indeterminate")
        self._air.clear()

    def abandon(self) -> list[Message]:
        """Nothing more is sent: return the messages that never were."""
        rest: list[Message] = []
        while (entry := self.waiting) is not None:
            message = self.failed()
            if not entry.repeats:
                rest.append(message)
        return rest

    def progress(self) -> str:
        """Say how far it is: `42 confirmed, 3 unanswered, 55 not sent`."""
        counts = Counter(list(self.outcomes.values()))
        parts = [f"{count} {outcome}" for outcome, count in counts.items()]
        parts += [f"{self.in_air} unanswered"] * bool(self._air)
        parts += [f"{len(self._entries) - self._next} not sent"] * (self._next < len(self._entries))
        return ", ".join(parts)

    def _settle(self, message: Message, outcome: Outcome) -> None:
        self._air_bytes -= len(message.body)
        self._answers += 1
        if self.outcomes.get(message.id) not in _TAKEN:
            self.outcomes[message.id] = "returned" if message.id in self._returned else outcome

    def _advance(self) -> None:
        self._next += 1
        self._due = next(self._schedule, self._due)
