"""A fault of a run between its arming and its end, and what it waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.model.faults import Fault
from pytest_mqchaos.model.triggers import Trigger

__all__ = ["Armed", "Swallow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Swallow:
    """Whose next ack or confirm is lost: that of one connection, or of a consumer.

    Once the connection has ended without another one, the next one of its link is meant: it has reconnected.
    """

    kind: Literal["ack", "confirm"] = "ack"
    link: str | None = None
    connection: int | None = None
    """None while it is not known on which one of the link."""
    consumer: str | None = None
    """As in `consumer=`; instead of a link."""


@dataclass(slots=True)
class Armed:
    """A fault of this run and how far it is."""

    number: int
    fault: Fault
    trigger: Trigger | None
    position: str
    by_hand: bool
    fired: bool = False
    """Whether it has struck, once at least."""
    pending: bool = True
    """Whether its next strike is still to come."""
    struck: int = 0
    """How often it has struck, or tried to."""
    since: int = 0
    """When it struck first, in nanoseconds."""
    moments: list[int] = field(default_factory=list)
    """The numbers of the moments to come, where each of them is seeded."""
    striking: bool = False
    withdrawn: bool = False
    """Whether its block was left before it struck (again): it strikes no more."""
    words: str = ""
    """Its moment when it came, with the message that it was."""
    message: str | None = None
    """Which it strikes at: under `multiple` the one that brought the count to n; whose ack or confirm is lost."""
    connection: int | None = None
    """On which its moment was seen, as far as that is known."""
    port: int | None = None
    """Of the process that asked, before an effect: that is the child which is struck."""
    swallow: Swallow | None = None
    """Set while a lost ack or confirm waits for the first one after its moment."""
    done: threading.Event = field(default_factory=threading.Event)
    healed: threading.Event = field(default_factory=threading.Event)
    heal: Callable[[], Coroutine[Any, Any, None]] | None = None
    """How to end it before its time; None if there is nothing to heal."""
    over: Callable[[], object] | None = None
    """Called when a strike is over and all is whole again."""
    error: ChaosError | None = None

    @property
    def first_position(self) -> str:
        """`before` or `after`, as it was armed: a strike at an effect makes its own of it."""
        return self.fault.position or ("before" if self.fault.family == "protocol" else "after")

    @property
    def before_effect(self) -> bool:
        """Whether it strikes before an effect: the probe asks for that."""
        trigger = self.fault.trigger
        return trigger is not None and trigger.kind == "effect" and self.fault.position == "before"
