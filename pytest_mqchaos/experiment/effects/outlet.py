"""One source of effects that is a queue or an exchange, and how its messages name those of the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from pytest_mqchaos.brokers.rabbitmq.outlet import OutletReader
from pytest_mqchaos.effects.arrivals import Arrivals
from pytest_mqchaos.experiment.effects.raised import Raised
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.payloads import Draft

__all__ = ["KeyOf", "Outlet", "correlation", "key_in"]

KeyOf: TypeAlias = Callable[[Draft], object]


@dataclass(slots=True, eq=False)
class Outlet:
    """One such source."""

    name: str
    call: str
    """How the test named it, for what is said of it."""
    queue: str
    """The queue that is looked at: the application's, or one of ours."""
    exchange: str | None
    routing_key: str
    of: str | None
    key: KeyOf | None
    reader: OutletReader
    arrivals: Arrivals
    bound: bool = False
    stranger: str = ""
    """The first body that named no message of the run."""
    strangers: int = 0
    """How many named none."""
    raised: Raised = field(default_factory=Raised)
    """What the test's function for the key raised for these."""
    known: bool = False
    """Whether any named one."""

    @property
    def ours(self) -> bool:
        """Whether its queue is one of ours."""
        return self.exchange is not None

    def may_come(self, event: facts.Republished) -> bool:
        """Whether what is published may come to its queue; bindings of the application's may lead there."""
        if self.ours:
            return event.exchange == self.exchange
        return bool(event.exchange) or event.routing_key == self.queue


def key_in(key: KeyOf, body: bytes, labels: object, raised: Raised | None = None) -> str | None:
    """Return what the test's own function says of a message; None where it says nothing, or can make nothing of it.

    What it `raised` is taken down where somebody wants to know.
    """
    names = ("message_id", "correlation_id")
    properties = {name: value for name in names if (value := getattr(labels, name, None)) is not None}
    headers = getattr(labels, "headers", ())
    try:
        value = key(Draft(0, "", body, dict(headers) if isinstance(headers, tuple) else {}, properties))
    except Exception as error:
        if raised is not None:
            raised.note(error)
        return None
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return None if value is None or isinstance(value, bool) or value == "" else str(value)


def correlation(_body: bytes, labels: object) -> str | None:
    """Return the correlation id of a message, None without one."""
    found = getattr(labels, "correlation_id", None)
    return found if isinstance(found, str) and found else None
