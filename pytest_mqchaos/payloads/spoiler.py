"""The spoiler: the malformed and poison messages of a plan, made from sound ones.

```
fault ──► Turns: the kind whose turn it is ──► a message of that kind ──► has it another message's key?
             ▲                                                                └── then otherwise, or not at all
             └── the next kind, where this one cannot be made of this body ◄──────┘
```
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Protocol

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model.faults import DEBATABLE_KINDS, UNREADABLE_KINDS, Fault
from pytest_mqchaos.model.messages import digest
from pytest_mqchaos.payloads.debatable import HEAVY, LARGE, NEEDS, debatable
from pytest_mqchaos.payloads.drafts import Draft, rng
from pytest_mqchaos.payloads.keys import KeyRule
from pytest_mqchaos.payloads.malformed import malformed
from pytest_mqchaos.payloads.plans import Planned

__all__ = ["Drafting", "Spoiler"]

_TRIES = 20
"""So often a change is made otherwise that hits another message's key, or the message's own."""

_MOST_HEAVY = 16
"""Large bodies of one kind, where there are other kinds to make."""

_ALL_LARGE, _LEAST_LARGE = 32 * 1024 * 1024, 256 * 1024
"""Bytes that the oversize bodies of a fault add in all, and that each of them adds at least."""

_LONGEST_KEY = 255
"""Characters; what is longer is no key, but a body that was taken for one."""

_ANOTHERS = "it could pass for another message: make each body, and the key in it, from the message's number"

Cook = Callable[[Draft], Planned]
"""Makes a bad message of a sound draft."""


class Drafting(Protocol):
    """Makes the sound drafts that bad messages are made from, and messages of a plan of them."""

    @property
    def run(self) -> str:
        """The token of the run."""

    @property
    def seed(self) -> int:
        """What every random choice follows from."""

    @property
    def key(self) -> KeyRule:
        """How the key of a message is found."""

    def draft(self, number: int, like: int | None = None) -> Draft:
        """Return message `number` with its sound body, or with all that message `like` is made of."""

    def planned(self, draft: Draft, **fields: object) -> Planned:
        """Return the draft as a message of the plan."""


class Spoiler:
    """Makes bad messages, of which none carries another message's key.

    Args:
        maker: makes the sound drafts: a plan's, or copies of what a producer sent.
        good: the good messages of the plan.
        taken_keys: the keys of the run's earlier plans.
        poison: what is to become of poison; the debatable kinds are made by default under `auto` only.
    """

    def __init__(
        self, maker: Drafting, good: Sequence[Planned], taken_keys: Collection[str] = (), poison: str = "auto"
    ) -> None:
        messages = [entry.message for entry in good]
        self._maker = maker
        self._count = len(good)
        self._first = messages[0].number
        self._keys = {message.key for message in messages if message.key is not None} | set(taken_keys)
        self._bad_keys: set[str] = set()
        bodies = Counter(message.digest for message in messages)
        self._bodies = {each for each, count in bodies.items() if count == 1}
        self._kinds = UNREADABLE_KINDS + DEBATABLE_KINDS if poison == "auto" else UNREADABLE_KINDS

    def spoilt(self, faults: Sequence[Fault]) -> list[Planned]:
        """Return the messages that the payload faults add, numbered behind the good ones.

        Raises:
            UsageError: if a kind was named that cannot be made of the test's body.
        """
        __tracebackhide__ = True
        first = self._first + self._count
        wanted = [cook for fault in faults for cook in self._cooks(fault, self._rng("kinds", first))]
        self._rng("order", first).shuffle(wanted)
        entries = []
        for number, cook in enumerate(wanted, first):
            like = self._first + (number - first) % self._count
            entries.append(cook(self._sound(number, like=like)))
        return entries

    def _rng(self, purpose: str, number: int) -> Random:
        return rng(self._maker.seed, purpose, number)

    def _sound(self, number: int, *, like: int) -> Draft:
        """Return a sound draft of a bad message; the test's functions may know the good numbers only."""
        __tracebackhide__ = True
        try:
            return self._maker.draft(number)
        except UsageError:
            return self._maker.draft(number, like)

    def _cooks(self, fault: Fault, generator: Random) -> Iterator[Cook]:
        """Yield what makes each bad message that a fault asks for."""
        options = dict(fault.options)
        if fault.kind == "malformed_payload":
            number = max(1, round(self._count * float(options["share"])))  # type: ignore[arg-type]
            turns = _Turns(self, fault, list(options["kinds"] or self._kinds), number)  # type: ignore[call-overload]
            generator.shuffle(turns.kinds)
            if not options["kinds"]:  # a few messages prove the most if nobody can read them
                turns.kinds.sort(key=lambda kind: kind not in UNREADABLE_KINDS)
            yield from [turns.next] * number
        elif fault.kind == "poison_message":
            body: bytes = options["body"]  # type: ignore[assignment]
            yield from [lambda draft: self._own(draft, body)] * options["count"]  # type: ignore[operator]

    def _own(self, draft: Draft, body: bytes) -> Planned:
        """Return a message with the user's own bad body; a good message's key counts for that alone."""
        draft = replace(draft, body=body)
        key = self._key_of(draft)
        key = None if key in self._keys else key
        return self._maker.planned(draft, key=key, expect=0, poison=True, kind="own")

    def malformed(self, draft: Draft, kind: str, *, large: int, named: bool) -> Planned | str:
        """Return a malformed message, or why none of this kind can be made of this draft.

        Where the draft has another message's key (a body that is the same for all), that is replaced first. It
        cannot be where only the test's own function knows where the key stands: such a message has no key for us,
        and has to be unreadable.

        Args:
            draft: the sound message.
            kind: of either sort.
            large: bytes that `oversize` adds.
            named: whether the test asked for this kind by name.
        """
        key = self._key_of(draft)
        if key in self._keys:
            key = f"poison-{self._maker.run}-{draft.number}"
            body = self._maker.key.replaced(draft.body, key)
            draft, key = (draft, None) if body is None else (replace(draft, body=body), key)
        generator, legible = self._rng(kind, draft.number), True
        if kind in UNREADABLE_KINDS:
            made = replace(draft, body=malformed(draft.body, kind, generator), key=key)
        elif key is None and self._maker.key.rule is not None:
            return _ANOTHERS
        else:
            found = self._debatable(replace(draft, key=key), kind, generator, large=large, named=named)
            if isinstance(found, str):
                return found
            made, legible = found
        if made.key is not None:
            self._bad_keys.add(made.key)
        return self._maker.planned(made, key=made.key, key_legible=legible, expect=0, poison=True, kind=kind)

    def _debatable(
        self, draft: Draft, kind: str, generator: Random, *, large: int, named: bool
    ) -> tuple[Draft, bool] | str:
        """Return a debatable message with the key that it shows, and whether it shows any.

        That is the draft's own if there is any way: else what a consumer does with it might have another's name.
        """
        rule = self._maker.key.rule
        second_best: tuple[Draft, bool] | None = None
        for _ in range(_TRIES):
            made = debatable(
                draft, kind, generator, spare=rule if isinstance(rule, str) else None, large=large
            )
            if made is None:
                return f"it needs {NEEDS[kind]}, and that of message {draft.number} is {_shown(draft.body)}"
            shows = self._key_of(made)
            unlike = digest(made.body) not in self._bodies or (named and made.body == draft.body)
            if shows in self._keys or not unlike:
                continue
            if shows == draft.key:
                return made, True
            if second_best is None:
                legible = shows is not None and len(shows) <= _LONGEST_KEY and shows not in self._bad_keys
                second_best = (replace(made, key=shows) if legible else made), legible
            elif second_best[0].body == made.body:
                break  # it can be made in one way only
        return second_best or _ANOTHERS

    def _key_of(self, draft: Draft) -> str | None:
        try:
            return self._maker.key(draft)
        except UsageError:
            return None


class _Turns:
    """The kinds of one fault in turn: each once before any twice, those left out that cannot be made of a body."""

    def __init__(self, spoiler: Spoiler, fault: Fault, kinds: list[str], number: int) -> None:
        self.kinds = kinds
        self._spoiler = spoiler
        self._fault = fault
        self._named = fault.option("kinds") is not None
        self._made: Counter[str] = Counter()
        self._light = not set(kinds) <= set(HEAVY)
        heavy = min(math.ceil(number / len(kinds)), _MOST_HEAVY if self._light else number)
        self._large = max(_LEAST_LARGE, min(LARGE, _ALL_LARGE // heavy))

    def next(self, draft: Draft) -> Planned:
        """Return a message of the kind whose turn it is.

        Raises:
            UsageError: if that kind was named by the test and cannot be made of the draft.
        """
        __tracebackhide__ = True
        for place, kind in enumerate(self.kinds):
            if self._light and kind in HEAVY and self._made[kind] >= _MOST_HEAVY:
                continue
            made = self._spoiler.malformed(draft, kind, large=self._large, named=self._named)
            if isinstance(made, Planned):
                self.kinds.append(self.kinds.pop(place))
                self._made[kind] += 1
                return made
            if self._named:
                raise UsageError(f"{self._fault}: {kind} cannot be made of this workload: {made}")
        raise AssertionError(f"{self._fault}: an unreadable message can be made of any body")


def _shown(body: bytes) -> str:
    return f"{body[:80]!r}{'...' if len(body) > 80 else ''}"
