"""Faults of the network."""

from __future__ import annotations

from pytest_mqchaos.model.faults.fault import Fault
from pytest_mqchaos.model.faults.making import make, number, reject_positional, usage
from pytest_mqchaos.model.triggers import Trigger

__all__ = [
    "bandwidth",
    "black_hole",
    "connection_drop",
    "connection_reset",
    "fragment",
    "latency",
    "refuse",
    "stall",
]


def connection_drop(
    *positional: object,
    before: Trigger | None = None,
    after: Trigger | None = None,
    consumer: str | None = None,
    link: str | None = None,
    times: int = 1,
    every: float | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Cut every connection of the link with a FIN on both sides; the client may reconnect at once.

    Args:
        before: strike when this was sent and has not been passed on; the fault takes it along.
        after: strike when this has reached its receiver and nothing later has.
        consumer: whose link; by default the one that the moment happened on.
        link: the name of a link of `mqchaos.link(...)`, to strike that one instead.
        times: how often it strikes, at most: fewer strikes are told, and none at all is *vacuous*.
        every: events from one moment to the next (`after=delivery(5), times=3, every=10` is 5, 15 and 25), or
            seconds after `seconds(t)`; without it each next event. Without a moment of its own, all are seeded. A
            moment that comes while the strike before is in force is the next event after that.
        name: replaces the fault's id in the test's name.
        guarantee: what is promised under this fault, instead of the marker's.
        allow: findings that are reported and do not fail the test.

    Raises:
        UsageError: if an argument is out of range or of the wrong kind.
    """
    __tracebackhide__ = True
    return make("connection_drop", "network", positional, before=before, after=after, consumer=consumer, link=link,
                 times=times, every=every, name=name, guarantee=guarantee, allow=allow)  # fmt: skip


def connection_reset(
    *positional: object,
    before: Trigger | None = None,
    after: Trigger | None = None,
    consumer: str | None = None,
    link: str | None = None,
    times: int = 1,
    every: float | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Reset every connection of the link (RST), at once, also an idle one. Arguments as of `connection_drop`."""
    __tracebackhide__ = True
    return make("connection_reset", "network", positional, before=before, after=after, consumer=consumer, link=link,
                 times=times, every=every, name=name, guarantee=guarantee, allow=allow)  # fmt: skip


def refuse(
    *positional: object,
    duration: float = 1.0,
    before: Trigger | None = None,
    after: Trigger | None = None,
    consumer: str | None = None,
    link: str | None = None,
    times: int = 1,
    every: float | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Cut the link and refuse new connections for `duration` seconds. Other arguments as of `connection_drop`."""
    __tracebackhide__ = True
    return make("refuse", "network", positional, before=before, after=after, consumer=consumer, link=link,
                 duration=duration, default_duration=1.0, times=times, every=every,
                 name=name, guarantee=guarantee, allow=allow)  # fmt: skip


def stall(
    *positional: object,
    duration: float = 1.0,
    before: Trigger | None = None,
    after: Trigger | None = None,
    consumer: str | None = None,
    link: str | None = None,
    times: int = 1,
    every: float | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Let nothing pass the link for `duration` seconds, and then all of it: no byte is lost.

    New connections wait as well. *Before X*: X is stalled too. Other arguments as of `connection_drop`.

    Raises:
        UsageError: if `duration` is not above 0, or another argument is of the wrong kind.
    """
    __tracebackhide__ = True
    reject_positional("stall", positional)
    number("stall", "duration", duration)
    return make("stall", "network", (), before=before, after=after, consumer=consumer, link=link,
                 duration=duration, default_duration=1.0, times=times, every=every,
                 name=name, guarantee=guarantee, allow=allow)  # fmt: skip


def black_hole(
    *positional: object,
    duration: float = 5.0,
    before: Trigger | None = None,
    after: Trigger | None = None,
    consumer: str | None = None,
    link: str | None = None,
    times: int = 1,
    every: float | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Let every byte on the link be gone, both ways, for `duration` seconds; then all its connections are reset.

    Connections stay open meanwhile, new ones hang. *Before X*: X is gone too. Other arguments as of
    `connection_drop`.

    Raises:
        UsageError: if `duration` is not above 0, or another argument is of the wrong kind.
    """
    __tracebackhide__ = True
    reject_positional("black_hole", positional)
    number("black_hole", "duration", duration)
    return make("black_hole", "network", (), before=before, after=after, consumer=consumer, link=link,
                 duration=duration, default_duration=5.0, times=times, every=every,
                 name=name, guarantee=guarantee, allow=allow)  # fmt: skip


def latency(
    *positional: object,
    delay: float = 0.1,
    jitter: float = 0.0,
    duration: float | None = None,
    before: Trigger | None = None,
    after: Trigger | None = None,
    consumer: str | None = None,
    link: str | None = None,
    times: int = 1,
    every: float | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Let everything on the link arrive `delay` seconds later, in each direction, in order.

    It lasts until the run has settled, or for `duration`. Without a moment it is there from the start, also for
    connections that are made later.

    Args:
        delay: seconds, above 0.
        jitter: seconds that the delay differs by at most, up or down; drawn from the test's seed.
        duration: seconds until it ends; by default it lasts.
        before: in force from then on, X included; other arguments as of `connection_drop`.
        after: in force when X has arrived.
        consumer: whose link.
        link: another service's link instead.
        times: how often; more than once only where it ends, by `duration`.
        every: events from one moment to the next.
        name: replaces the fault's id in the test's name.
        guarantee: what is promised under this fault.
        allow: findings that do not fail the test.

    Raises:
        UsageError: if a number is out of range, or an argument of the wrong kind.
    """
    __tracebackhide__ = True
    reject_positional("latency", positional)
    chosen = number("latency", "delay", delay)
    wobble = 0.0 if _is_zero(jitter) else number("latency", "jitter", jitter, most=chosen)
    return make("latency", "network", (), before=before, after=after, consumer=consumer, link=link, duration=duration,
                 options={"delay": (chosen, 0.1), "jitter": (wobble, 0.0)},
                 times=times, every=every, name=name, guarantee=guarantee, allow=allow)  # fmt: skip


def bandwidth(
    bytes_per_second: float | None = None,
    *positional: object,
    duration: float | None = None,
    before: Trigger | None = None,
    after: Trigger | None = None,
    consumer: str | None = None,
    link: str | None = None,
    times: int = 1,
    every: float | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Let each direction of each connection of the link carry `bytes_per_second` at most.

    It lasts as `latency` does; other arguments as there.

    Raises:
        UsageError: if `bytes_per_second` is missing or below 1, or another argument is of the wrong kind.
    """
    __tracebackhide__ = True
    rate = _only("bandwidth", "bytes_per_second", bytes_per_second, positional, "bandwidth(100_000)")
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 1 <= rate < float("inf"):
        usage("bandwidth", f"bytes_per_second={rate!r}: bytes a second, at least 1")
    return make("bandwidth", "network", (), before=before, after=after, consumer=consumer, link=link, duration=duration,
                 options={"bytes_per_second": (rate, None)},
                 times=times, every=every, name=name, guarantee=guarantee, allow=allow)  # fmt: skip


def fragment(
    size: int | None = None,
    *positional: object,
    duration: float | None = None,
    before: Trigger | None = None,
    after: Trigger | None = None,
    consumer: str | None = None,
    link: str | None = None,
    times: int = 1,
    every: float | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Let everything on the link arrive in pieces of `size` bytes at most, each sent by itself.

    A receiver that reads late still reads several at once, as from any network. It lasts as `latency` does;
    other arguments as there.

    Raises:
        UsageError: if `size` is missing or no whole number above 0, or another argument is of the wrong kind.
    """
    __tracebackhide__ = True
    pieces = _only("fragment", "size", size, positional, "fragment(16)")
    if isinstance(pieces, bool) or not isinstance(pieces, int) or pieces < 1:
        usage("fragment", f"size={pieces!r}: a whole number of bytes, at least 1")
    return make("fragment", "network", (), before=before, after=after, consumer=consumer, link=link, duration=duration,
                 options={"size": (pieces, None)},
                 times=times, every=every, name=name, guarantee=guarantee, allow=allow)  # fmt: skip


def _is_zero(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == 0


def _only(kind: str, name: str, value: object, positional: tuple[object, ...], example: str) -> object:
    """Return the one argument that a fault cannot do without, and that alone may stand without its name."""
    __tracebackhide__ = True
    if callable(value):
        usage(kind, f"forgotten parentheses: write {example}, not {kind}")
    reject_positional(kind, positional)
    if value is None:
        usage(kind, f"{name}= is missing: write {example}")
    return value
