"""The workload: which messages are published, in which order, and when.

```
publish(...) ──► plan() ──► Plan ──► the broker's publisher ──► Publication (what the test holds)
```
A plan is made before the first byte is sent; it follows from its arguments, the run's token and the seed.
Good messages are numbered first (`first_number` onwards), malformed and poison messages after them; in the order
of publishing these stand among the good ones, each at a seeded place before some good message. Some good messages
may stand there twice (`repeated_publish`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Protocol

from pytest_mqchaos import payloads
from pytest_mqchaos.errors import ChaosError, UsageError
from pytest_mqchaos.model.faults import Fault
from pytest_mqchaos.model.messages import Message
from pytest_mqchaos.payloads import Plan, Planned

__all__ = ["Plan", "Planned", "Publication", "Publishing", "Workload", "keys", "plan"]


class Publishing(Protocol):
    """A plan under way, as a broker's publisher has it."""

    @property
    def done(self) -> bool:
        """Whether it ended: nothing more is sent, and no answer awaited."""

    @property
    def error(self) -> ChaosError | None:
        """Why it ended before all was sent."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it ended, at most `timeout` seconds; return whether it did."""

    def progress(self) -> str:
        """Say how far it is: `42 confirmed, 3 unanswered, 55 not sent`."""

    def close(self) -> None:
        """End it where it is; what was not sent is not sent any more. May be called again."""


class Workload(Protocol):
    """What a run waits for before it can settle: a publication of ours, or a producer."""

    @property
    def done(self) -> bool:
        """Whether nothing more is published."""

    @property
    def error(self) -> ChaosError | None:
        """Why it ended before all was published."""

    @property
    def size(self) -> int:
        """How many good messages it has, as far as that is known: among them lie the moments left open."""

    def keys(self, rule: payloads.KeyRule) -> dict[str, str]:
        """The key of each good message by its id."""

    def close(self) -> None:
        """End it where it is."""


class Publication:
    """Messages on their way to the broker, published in the background.

    `ids` are those of the good messages, `poison_ids` those of the malformed and poison ones, in the order of
    publishing.
    """

    def __init__(self, plan: Plan, publishing: Publishing) -> None:
        self.ids = tuple(message.id for message in plan.messages if not message.poison)
        self.poison_ids = tuple(message.id for message in plan.messages if message.poison)
        self._plan = plan
        self._publishing = publishing

    @property
    def done(self) -> bool:
        """Whether it ended: nothing more is sent, and no answer awaited."""
        return self._publishing.done

    @property
    def error(self) -> ChaosError | None:
        """Why it ended before all was sent, or None."""
        return self._publishing.error

    @property
    def size(self) -> int:
        """How many good messages it has."""
        return len(self.ids)

    def wait(self, timeout: float | None = None) -> Publication:
        """Wait until every message was sent and answered (or its connection lost), and return itself.

        Args:
            timeout: seconds, without end by default.

        Raises:
            ChaosError: if it has not ended by then, or ended before all was sent.
        """
        __tracebackhide__ = True
        if not self._publishing.wait(timeout):
            raise ChaosError(
                f"publishing {len(self._plan.entries)} messages to {self._plan.target} has not ended after "
                f"{timeout:g} s: {self._publishing.progress()}"
            )
        if self._publishing.error is not None:
            raise self._publishing.error
        return self

    def keys(self, rule: payloads.KeyRule) -> dict[str, str]:
        """Return the key of each good message by its id, under a rule that may be another than `publish(key=...)`."""
        __tracebackhide__ = True
        return keys(self._plan, rule)

    def close(self) -> None:
        """End it where it is; what was not sent is not sent any more. May be called again."""
        self._publishing.close()

    def __repr__(self) -> str:
        """One line: how many, where to, how far."""
        count, target = len(self._plan.entries), self._plan.target
        return f"<publication: {count} messages to {target}, {self._publishing.progress()}>"


def plan(
    *,
    run: str,
    seed: int,
    queue: str | None = None,
    count: int = 100,
    body: object = None,
    key: str | Callable[[payloads.Draft], object] | None = None,
    exchange: str = "",
    routing_key: str | None = None,
    headers: object = None,
    properties: object = None,
    persistent: bool = True,
    confirm: bool = True,
    mandatory: bool = True,
    rate: float | None = None,
    arrivals: str | None = None,
    expect: int | Callable[[payloads.Draft], object] = 1,
    faults: Sequence[Fault] = (),
    poison: str = "auto",
    first_number: int = 1,
    taken_keys: Collection[str] = (),
) -> Plan:
    """Return the messages of one `publish`, malformed and poison ones among them.

    Arguments are those of `mqchaos.publish` (the default body's key is its `order`, unless `key` says otherwise),
    and:
        run: the token of the run.
        seed: what every random choice follows from.
        faults: of which those by payload (`malformed_payload`, `poison_message`, `repeated_publish`) are carried out.
        poison: what must become of what cannot be processed; only under `auto` may that be debatable by default.
        first_number: the number of the first message; a second plan of a run goes on with `next_number`.
        taken_keys: the keys of the run's earlier plans.

    Raises:
        UsageError: if an argument is out of range, or a function of the test raises or returns nonsense.
    """
    __tracebackhide__ = True
    for name, flag in (("persistent", persistent), ("confirm", confirm), ("mandatory", mandatory)):
        if not isinstance(flag, bool):
            raise UsageError(f"publish(): {name}={flag!r}: True or False")
    to_queue, to_exchange, key_of_route = _target(queue, exchange, routing_key)
    payloads.whole(count, "count=", least=1)
    checked_rate, checked_arrivals = payloads.checked_arrivals(rate, arrivals)
    if not callable(expect):
        payloads.whole(expect, "expect=", least=0)
    template = Message(
        id="", number=0, body=b"", digest="", queue=to_queue, exchange=to_exchange, routing_key=key_of_route,
        persistent=persistent, mandatory=mandatory, confirm=confirm)  # fmt: skip
    maker = payloads.Maker(
        run=run, seed=seed, template=template, body=body, headers=headers, properties=properties,
        key=payloads.KeyRule.of("order" if key is None and body is None else key), expect=expect)  # fmt: skip
    good = [maker.good(number) for number in range(first_number, first_number + count)]
    bad = payloads.Spoiler(maker, good, taken_keys, poison).spoilt(faults)
    once = _shared_keys(_placed(good, bad, seed), taken_keys)
    entries = payloads.repeated(once, faults, seed)
    return Plan(
        run=run, seed=seed, queue=to_queue, exchange=to_exchange, routing_key=key_of_route, entries=entries,
        confirm=confirm, mandatory=mandatory, rate=checked_rate, arrivals=checked_arrivals,
        next_number=first_number + len(once))  # fmt: skip


def keys(plan: Plan, rule: payloads.KeyRule) -> dict[str, str]:
    """Return the key of each good message of a plan by its id, where the rule finds one.

    Raises:
        UsageError: if a good message has none.
    """
    __tracebackhide__ = True
    found = {}
    for entry in plan.entries:
        one = entry.message
        if not one.poison and one.id not in found:
            key = rule(payloads.Draft(one.number, one.id, one.body, entry.headers, entry.properties))
            if key is not None:
                found[one.id] = key
    return found


def _target(queue: object, exchange: object, routing_key: object) -> tuple[str, str, str]:
    __tracebackhide__ = True
    for name, value in (("queue", queue), ("exchange", exchange or None), ("routing_key", routing_key)):
        if value is not None and not _is_name(value):
            raise UsageError(f"publish(): {name}={value!r}: a name of at most 255 bytes")
    if queue is not None and exchange:
        raise UsageError(f"publish(): queue={queue!r} and exchange={exchange!r}: name one of them, not both")
    if queue is None:
        if not exchange:
            raise UsageError("publish(): name a queue, publish('orders'), or an exchange, exchange='events'")
        return "", str(exchange), str(routing_key or "")
    if queue == "":
        raise UsageError("publish(): queue='': a queue has a name")
    if routing_key not in (None, queue):
        raise UsageError(
            f"publish(): routing_key={routing_key!r} goes with exchange=, not with queue={queue!r}"
        )
    return str(queue), "", str(queue)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and len(value.encode(errors="replace")) <= 255


def _placed(good: Sequence[Planned], bad: Sequence[Planned], seed: int) -> list[Planned]:
    """Return all messages in the order of publishing: a good one behind every bad one."""
    generator = payloads.rng(seed, "places", good[0].message.number)
    slots = range(len(good))
    few = len(bad) <= len(good)
    chosen = generator.sample(slots, len(bad)) if few else generator.choices(slots, k=len(bad))
    waiting = sorted(chosen, reverse=True)
    rest = iter(bad)
    entries: list[Planned] = []
    for slot, entry in enumerate(good):
        while waiting and waiting[-1] == slot:
            waiting.pop()
            entries.append(next(rest))
        entries.append(entry)
    return entries


def _shared_keys(entries: Sequence[Planned], taken: Collection[str]) -> tuple[Planned, ...]:
    """Return the messages with those marked whose key another one of the run has."""
    counts = Counter(entry.message.key for entry in entries if entry.message.key is not None)
    counts.update(set(taken))
    if not any(number > 1 for number in counts.values()):
        return tuple(entries)
    return tuple(
        replace(entry, message=replace(entry.message, key_shared=True))
        if entry.message.key is not None and counts[entry.message.key] > 1
        else entry
        for entry in entries
    )
