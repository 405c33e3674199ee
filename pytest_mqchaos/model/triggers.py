"""Triggers: the moments of a run at which a fault can strike.

`n` counts from 1 over the run, over all replicas of a consumer's name, every event of this run's messages
(redeliveries, `basic.get` and poison included; messages without an id not).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from pytest_mqchaos.errors import UsageError

__all__ = [
    "Trigger",
    "TriggerKind",
    "ack",
    "call",
    "confirm",
    "delivery",
    "effect",
    "nack",
    "publish",
    "seconds",
]

TriggerKind = Literal["publish", "confirm", "delivery", "ack", "nack", "effect", "call", "seconds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A moment: the n-th event of a kind, an event of one message, or a time."""

    kind: TriggerKind
    n: int | None = None
    """None stands for a seeded number within the workload."""
    queue: str | None = None
    service: str | None = None
    """The name of the service that is called."""
    message: int | None = None
    """The place, in the order of publishing, of the message that is meant, instead of a count."""
    by: str | None = None
    """Whose publishing counts, where it is not the workload's: a consumer's own, or that of one producer."""
    time: float = 0.0
    delay: float = 0.0

    @property
    def id(self) -> str:
        """The trigger as part of a test's id: `delivery-3`."""
        parts: list[str] = [self.kind]
        if self.kind == "seconds":
            parts.append(f"{self.time:g}")
        elif self.message is not None:
            parts += ["message", str(self.message)]
        elif self.n is not None:
            parts.append(str(self.n))
        if self.queue is not None:
            parts.append(self.queue)
        if self.service is not None:
            parts.append(self.service)
        if self.by is not None:
            parts += ["by", self.by]
        if self.delay:
            parts += ["delay", f"{self.delay:g}"]
        return "-".join(parts)

    def __str__(self) -> str:
        """The trigger as a user would write it: `delivery(3)`."""
        count = f"{self.time:g}" if self.kind == "seconds" else self.n
        arguments = [] if count is None else [str(count)]
        if self.message is not None:
            arguments.append(f"message={self.message}")
        if self.queue is not None:
            arguments.append(f"queue={self.queue!r}")
        if self.service is not None:
            arguments.append(f"service={self.service!r}")
        if self.by is not None:
            arguments.append(f"by={self.by!r}")
        if self.delay:
            arguments.append(f"delay={self.delay:g}")
        return f"{self.kind}({', '.join(arguments)})"


def _count(name: str, n: object, *, what: str = "n") -> int | None:
    __tracebackhide__ = True
    if n is None:
        return None
    if callable(n):
        raise UsageError(f"{name} was used as a decorator: a trigger is written {name}(3)")
    if isinstance(n, bool) or not isinstance(n, int):
        raise UsageError(f"{name}({what}={n!r}): {what} is a whole number, counted from 1")
    if n < 1:
        raise UsageError(f"{name}({what}={n!r}): events are counted from 1")
    return n


def _seconds(name: str, value: object, what: str) -> float:
    __tracebackhide__ = True
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise UsageError(f"{name}({what}={value!r}): {what} is a number of seconds, 0 or more")
    return float(value)


def _event(
    kind: TriggerKind,
    n: object,
    queue: object = None,
    message: object = None,
    delay: object = 0.0,
    by: object = None,
) -> Trigger:
    __tracebackhide__ = True
    if by is not None and (not isinstance(by, str) or not by):
        raise UsageError(f"{kind}(by={by!r}): by is the name of a consumer or a producer")
    if by is not None and message is not None:
        raise UsageError(
            f"{kind}(by={by!r}, message={message!r}): whose publishing is meant is counted: {kind}(3, by=...)"
        )
    if queue is not None and not isinstance(queue, str):
        raise UsageError(f"{kind}(queue={queue!r}): queue is a name")
    if n is not None and message is not None:
        raise UsageError(f"{kind}({n!r}, message={message!r}): give a count or a message, not both")
    return Trigger(
        kind=kind,
        n=_count(kind, n),
        queue=queue,
        by=by,
        message=_count(kind, message, what="message"),
        delay=_seconds(kind, delay, "delay"),
    )


def publish(
    n: int | None = None, *, by: str | None = None, message: int | None = None, delay: float = 0.0
) -> Trigger:
    """Return the moment of the n-th `basic.publish` of the workload, or of a consumer's own.

    Args:
        n: counted from 1; without it a seeded one within the workload (with a producer: of its first ten).
        by: the name of a consumer, whose own publishing counts then, whatever it publishes: `after=publish(3,
            by="billing")` lies between its publish and its ack. Or that of one producer.
        message: instead of a count, the place of a message in the order of publishing, poison counted.
        delay: seconds after it at which the fault strikes; the stream flows on meanwhile.

    Raises:
        UsageError: if a value is out of range.
    """
    __tracebackhide__ = True
    return _event("publish", n, None, message, delay, by)


def confirm(
    n: int | None = None, *, by: str | None = None, message: int | None = None, delay: float = 0.0
) -> Trigger:
    """Return the moment of the n-th publisher confirm of the workload, or `by=` of a consumer's own.

    Arguments as of `publish`.
    """
    __tracebackhide__ = True
    return _event("confirm", n, None, message, delay, by)


def delivery(
    n: int | None = None, *, queue: str | None = None, message: int | None = None, delay: float = 0.0
) -> Trigger:
    """Return the moment of the n-th delivery to a consumer.

    Args:
        n: counted from 1; without it a seeded one within the workload.
        queue: counts only deliveries from this queue.
        message: instead of a count, the place of a message in the order of publishing, poison counted (its
            first delivery).
        delay: seconds after it at which the fault strikes; the stream flows on meanwhile.

    Raises:
        UsageError: if a value is out of range.
    """
    __tracebackhide__ = True
    return _event("delivery", n, queue, message, delay)


def ack(
    n: int | None = None, *, queue: str | None = None, message: int | None = None, delay: float = 0.0
) -> Trigger:
    """Return the frame that brings the acknowledged deliveries to n, also under `multiple`.

    Arguments as of `delivery`.
    """
    __tracebackhide__ = True
    return _event("ack", n, queue, message, delay)


def nack(
    n: int | None = None, *, queue: str | None = None, message: int | None = None, delay: float = 0.0
) -> Trigger:
    """Return the moment of the n-th `basic.nack` or `basic.reject`. Arguments as of `delivery`."""
    __tracebackhide__ = True
    return _event("nack", n, queue, message, delay)


def effect(n: int | None = None, *, message: int | None = None, delay: float = 0.0) -> Trigger:
    """Return the moment of the n-th effect. Arguments as of `publish`.

    `after=effect(n)`: it is there, and nothing that its consumer says behind it has been passed on. `before=effect(n)`:
    its work is done and it is not there yet; that needs the probe in a Python consumer (`probe.effect(id)`), which
    waits for the fault then. An effect that never came, as its process was killed before it, does not count.
    """
    __tracebackhide__ = True
    return _event("effect", n, None, message, delay)


def call(
    n: int | None = None, *, service: str | None = None, message: int | None = None, delay: float = 0.0
) -> Trigger:
    """Return the moment of the n-th call of a service that `mqchaos.http` stands in for.

    `before=call(n)`: the request is there, whole, and the service has done nothing; a crash takes it along.
    `after=call(n)`: it is answered, and its consumer has not read the answer when it is killed. Every try counts,
    whatever it is answered with; requests that name no message of the run do not.

    Args:
        n: counted from 1; without it a seeded one within the workload.
        service: counts only calls of the service of that name.
        message: instead of a count, the place of a message in the order of publishing (its first call).
        delay: seconds after it at which the fault strikes.

    Raises:
        UsageError: if a value is out of range.
    """
    __tracebackhide__ = True
    if service is not None and (not isinstance(service, str) or not service):
        raise UsageError(f"call(service={service!r}): service is a name")
    return replace(_event("call", n, None, message, delay), service=service)


def seconds(time: float, *, delay: float = 0.0) -> Trigger:
    """Return the moment `time` seconds after the first publish (by hand: after `inject`).

    Raises:
        UsageError: if `time` is negative or not a number.
    """
    __tracebackhide__ = True
    if callable(time):
        raise UsageError("seconds was used as a decorator: a trigger is written seconds(0.5)")
    return Trigger(
        kind="seconds", time=_seconds("seconds", time, "time"), delay=_seconds("seconds", delay, "delay")
    )
