"""A fault of a run between its arming and its end, and what it waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.model.faults import Fault
from pytest_mqchaos.model.triggers import Trigger

__all__ = ["Armed", "Swallow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Swallow:
    """Whose next ack a lost ack takes: that of one connection, or of a consumer.

    Once the connection has ended without another ack, the next one of its link is meant: it has reconnected.
    """

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
    striking: bool = False
    withdrawn: bool = False
    """Whether its block was left before it struck: it strikes no more."""
    words: str = ""
    """Its moment when it came, with the message that it was."""
    message: str | None = None
    """Which it strikes at: under `multiple` the one that brought the count to n; whose ack is lost."""
    connection: int | None = None
    """On which its moment was seen, as far as that is known."""
    swallow: Swallow | None = None
    """Set while a lost ack waits for the first ack after its moment."""
    done: threading.Event = field(default_factory=threading.Event)
    healed: threading.Event = field(default_factory=threading.Event)
    heal: Callable[[], Coroutine[Any, Any, None]] | None = None
    """How to end it before its time; None if there is nothing to heal."""
    error: ChaosError | None = None
