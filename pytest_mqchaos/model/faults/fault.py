"""What a fault and a scenario are: configuration, compared by what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pytest_mqchaos.model.faults.words import short, slug
from pytest_mqchaos.model.guarantees import Guarantee
from pytest_mqchaos.model.triggers import Trigger

__all__ = ["Family", "Fault", "Scenario", "scenario"]

Family = Literal["network", "process", "broker", "payload", "protocol"]

_LASTING = frozenset({"latency", "bandwidth", "fragment"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault: its kind, its moment, its target, and what it does.

    Two faults that say the same are equal.
    """

    kind: str
    family: Family
    position: Literal["before", "after", ""] = ""
    trigger: Trigger | None = None
    consumer: str | None = None
    duration: float | None = None
    times: int = 1
    """How often it strikes."""
    every: float | None = None
    """Events (seconds after `seconds(t)`) from one moment to the next; None for each, or for seeded ones."""
    link: str | None = None
    """The link to another service that it strikes, instead of the broker's."""
    options: tuple[tuple[str, object], ...] = ()
    """Arguments of this kind by name: `process`, `grace`, `share`, `kinds`, `body`, `count`."""
    shown: tuple[tuple[str, object], ...] = ()
    """The arguments that differ from their defaults, as the id shows them."""
    name: str | None = None
    guarantee: Guarantee | None = None
    allow: tuple[tuple[str, str], ...] = ()

    @property
    def lasting(self) -> bool:
        """Whether it stays until the run has settled; without a moment such a fault is there from the start."""
        return self.kind in _LASTING and self.duration is None

    @property
    def lasts(self) -> bool:
        """Whether it is in force for some time, until it is healed: others strike and are over."""
        return self.duration is not None or self.lasting

    def option(self, name: str) -> object:
        """Return the argument of that name."""
        return dict(self.options)[name]

    @property
    def id(self) -> str:
        """The fault as part of a test's id: `consumer_crash-before-ack-5`."""
        if self.name is not None:
            return self.name
        parts = [self.kind]
        if self.trigger is not None:
            parts += [self.position, slug(self.trigger.id)]
        for name, value in self.shown:
            parts += [name, slug(value)]
        return "-".join(parts)

    def __str__(self) -> str:
        """The fault as a user would write it: `consumer_crash(after=ack(17))`."""
        body = dict(self.options).get("body")
        arguments = [] if body is None else [short(body)]
        if self.trigger is not None:
            arguments.append(f"{self.position}={self.trigger}")
        arguments += [f"{name}={value!r}" for name, value in self.shown]
        return f"{self.kind}({', '.join(arguments)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What one test does to its consumer: some faults, or none."""

    faults: tuple[Fault, ...] = ()
    name: str | None = None
    guarantee: Guarantee | None = None
    allow: tuple[tuple[str, str], ...] = ()

    @property
    def id(self) -> str:
        """The scenario as part of a test's id."""
        if self.name is not None:
            return self.name
        return "+".join(fault.id for fault in self.faults) or "baseline"


def scenario(value: Fault | Scenario) -> Scenario:
    """Return `value` as a scenario: a single fault takes its own guarantee and allowances along."""
    if isinstance(value, Scenario):
        return value
    return Scenario(faults=(value,), name=value.name, guarantee=value.guarantee, allow=value.allow)
