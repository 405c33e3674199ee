"""Sequences of message lives, and what was injected: the parts that an account is made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from pytest_mqchaos.model.events import FaultArmed, FaultFired, FaultHealed
from pytest_mqchaos.model.faults import Fault
from pytest_mqchaos.model.lives import Life, Lives
from pytest_mqchaos.model.printable import printable

__all__ = ["SHOWN", "FaultRecord", "Messages", "fault_records", "plural"]

SHOWN = 5
"""How many members of a list a message shows before `... and 37 more`."""


class Messages(Sequence[Life]):
    """The messages of one kind, as a sequence of their lives in published order.

    It compares with a list of ids or numbers (`account.lost == [17]`), in any order with a set of them.
    It is true if it holds messages, or if something of its kind was found that names none (`unnamed`).
    """

    __slots__ = ("_lives", "ids", "name", "of", "unnamed")

    def __init__(self, name: str, ids: Iterable[str], lives: Lives, *, of: int = 0, unnamed: int = 0) -> None:
        self.name = name
        """The kind, as in `lost`."""
        self.ids = tuple(ids)
        """Ids of the messages."""
        self.of = of
        """How many messages there were in all."""
        self.unnamed = unnamed
        """How many more there are that nobody can name, or 1 where something was found that is no message."""
        self._lives = lives

    @property
    def numbers(self) -> tuple[int, ...]:
        """The messages' numbers in the run."""
        return tuple(life.number for life in self)

    def __len__(self) -> int:
        return len(self.ids)

    def __bool__(self) -> bool:
        return bool(self.ids) or self.unnamed > 0

    @overload
    def __getitem__(self, index: int) -> Life: ...
    @overload
    def __getitem__(self, index: slice) -> Messages: ...
    def __getitem__(self, index: int | slice) -> Life | Messages:
        if isinstance(index, slice):
            return Messages(self.name, self.ids[index], self._lives, of=self.of)
        return self._lives.of(self.ids[index])

    def __iter__(self) -> Iterator[Life]:
        return (self._lives.of(name) for name in self.ids)

    def __contains__(self, item: object) -> bool:
        if isinstance(item, str):
            return item in self.ids
        return item.id in self.ids if isinstance(item, Life) else item in self.numbers

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Messages):
            return self.ids == other.ids
        if isinstance(other, set | frozenset):
            return len(other) == len(self) and all(item in self for item in other)
        if isinstance(other, list | tuple):
            return len(other) == len(self) and all(
                life == item for life, item in zip(self, other, strict=True)
            )
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """One line: `<lost: 1 of 200: orders-k3f9-000017>`, at most five of them."""
        count = len(self.ids) + self.unnamed
        total = f" of {self.of:,}" if count <= self.of else ""
        named = [printable(name, 80) for name in self.ids[:SHOWN]]
        if count > len(named) and named:
            named.append(f"... and {count - len(named):,} more")
        return f"<{self.name}: {count:,}{total}{': ' if named else ''}{', '.join(named)}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRecord:
    """One fault of the run: whether it was armed, whether and when it struck, and on whom."""

    kind: str
    description: str
    """As a user would write it: `consumer_crash(after=ack(17))`."""
    target: str = ""
    """Whom it hit; before it struck, whom it aims at (empty: where its moment happens)."""
    armed: bool = False
    fired: bool = False
    changed: bool = False
    """Whether the target felt anything."""
    at: float | None = None
    """When it struck first, in seconds since the first publish."""
    healed: float | None = None
    """When all was whole again, in seconds since the first publish."""
    strikes: int = 0
    message: str | None = None
    """Id of the message at whose moment it struck."""
    trigger: str = ""
    """The event it struck at, in words."""
    actor: str = ""
    """Who did it: `toxiproxy`, `wire`, `signal`, `broker`, `publisher`."""


def fault_records(events: Iterable[object], faults: Sequence[Fault], lives: Lives) -> tuple[FaultRecord, ...]:
    """Return what became of each fault, by its number."""
    said: dict[int, str] = {n: str(fault) for n, fault in enumerate(faults)}
    armed: set[int] = set()
    fired: dict[int, list[FaultFired]] = {}
    healed: dict[int, list[FaultHealed]] = {}
    for event in events:
        if isinstance(event, FaultArmed):
            said.setdefault(event.fault, event.description)
            armed.add(event.fault)
        elif isinstance(event, FaultFired):
            said.setdefault(event.fault, event.description)
            fired.setdefault(event.fault, []).append(event)
        elif isinstance(event, FaultHealed):
            healed.setdefault(event.fault, []).append(event)
    records = []
    for n in sorted(said):
        fault = faults[n] if n < len(faults) else None
        strikes = fired.get(n, [])
        first = strikes[0] if strikes else None
        heals = healed.get(n, [])
        records.append(
            FaultRecord(
                kind=said[n].partition("(")[0] if fault is None else fault.kind,
                description=said[n],
                target=(fault.consumer or "" if fault is not None else "") if first is None else first.target,
                armed=n in armed or first is not None,
                fired=first is not None,
                changed=any(strike.changed and not _was_idle(strike, heals) for strike in strikes),
                at=None if first is None else round(lives.seconds(first.at), 6),
                healed=round(lives.seconds(heals[-1].at), 6) if heals else None,
                strikes=len(strikes),
                message=None if first is None else first.message,
                trigger="" if first is None else first.trigger,
                actor="" if first is None else first.actor,
            )
        )
    return tuple(records)


def _was_idle(strike: FaultFired, heals: Iterable[FaultHealed]) -> bool:
    """Whether nobody came to feel a strike until it was over."""
    over = next((heal for heal in heals if heal.at >= strike.at), None)
    return over is not None and over.idle


def plural(count: int, noun: str) -> str:
    """Return a count and its noun: `1 message`, `2,400 messages`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
