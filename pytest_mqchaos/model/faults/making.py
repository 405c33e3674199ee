"""What all faults validate alike: the moment, the target, numbers, the name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NoReturn

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model.faults.fault import Family, Fault
from pytest_mqchaos.model.faults.repeats import repeats
from pytest_mqchaos.model.faults.words import NAME_CHARACTERS
from pytest_mqchaos.model.guarantees import Guarantee
from pytest_mqchaos.model.guarantees import guarantee as guarantee_of
from pytest_mqchaos.model.triggers import Trigger

__all__ = ["allowed", "checked_name", "make", "number", "promised", "reject_positional", "usage"]


def allowed(value: object) -> tuple[tuple[str, str], ...]:
    """Return `allow=` as pairs of name and reason.

    Raises:
        UsageError: if it is neither names nor a mapping of names to reasons.
    """
    __tracebackhide__ = True
    if isinstance(value, str):
        return ((value, ""),)
    if isinstance(value, Mapping):
        pairs = [(name, reason) for name, reason in value.items()]
    elif isinstance(value, Iterable):
        pairs = [
            tuple(entry) if isinstance(entry, tuple) and len(entry) == 2 else (entry, "") for entry in value
        ]
    else:
        raise UsageError(f"allow={value!r}: names of findings, or a dict of name to reason")
    for name, reason in pairs:
        if not isinstance(name, str) or not isinstance(reason, str):
            raise UsageError(f"allow={value!r}: names of findings, or a dict of name to reason")
    return tuple(pairs)


def usage(kind: str, why: str) -> NoReturn:
    """Raise the error of a fault that was written wrongly, in a line that begins with its name."""
    __tracebackhide__ = True
    raise UsageError(f"{kind}(): {why}")


def reject_positional(kind: str, arguments: tuple[object, ...]) -> None:
    """Refuse arguments without a name; a function there was meant to decorate: parentheses were forgotten."""
    __tracebackhide__ = True
    if not arguments:
        return
    if callable(arguments[0]):
        usage(kind, f"forgotten parentheses: write {kind}(), not {kind}")
    usage(kind, f"takes keyword arguments only, got {arguments[0]!r}")


def _moment(
    kind: str, before: object, after: object
) -> tuple[Literal["before", "after", ""], Trigger | None]:
    __tracebackhide__ = True
    if before is not None and after is not None:
        usage(kind, "give before= or after=, not both")
    position: Literal["before", "after"] = "before" if before is not None else "after"
    value = before if before is not None else after
    if value is None:
        return "", None
    if not isinstance(value, Trigger):
        if callable(value):
            written = getattr(value, "__name__", "delivery")
            usage(kind, f"{position}={written}: forgotten parentheses: write {position}={written}(3)")
        usage(kind, f"{position}={value!r}: a trigger such as delivery(3), ack(5) or seconds(0.5)")
    if position == "before" and value.kind == "seconds":
        usage(kind, f"before={value}: nothing can be held before a time; write after={value}")
    return position, value


def number(kind: str, name: str, value: object, *, above: float = 0.0, most: float = float("inf")) -> float:
    """Return `value` as a float within (above, most], or raise a `UsageError` that names it."""
    __tracebackhide__ = True
    usable = isinstance(value, int | float) and not isinstance(value, bool) and above < value <= most
    if not usable or value == float("inf"):
        bound = f"above {above:g}" if most == float("inf") else f"above {above:g}, at most {most:g}"
        usage(kind, f"{name}={value!r}: a number {bound}")
    return float(str(value))


def make(
    kind: str,
    family: Family,
    positional: tuple[object, ...],
    *,
    before: object = None,
    after: object = None,
    consumer: object = None,
    duration: object = None,
    link: object = None,
    default_duration: float | None = None,
    options: Mapping[str, tuple[object, object]] | None = None,
    times: object = 1,
    every: object = None,
    name: object = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Validate what all faults share; `options` maps a name to its value and its default."""
    __tracebackhide__ = True
    reject_positional(kind, positional)
    position, trigger = _moment(kind, before, after)
    if consumer is not None and (not isinstance(consumer, str) or not consumer):
        usage(kind, f'consumer={consumer!r}: a name, "name#2" for one replica, or "*"')
    shown: list[tuple[str, object]] = []
    if consumer is not None:
        shown.append(("consumer", consumer))
    if link is not None and (not isinstance(link, str) or not link):
        usage(kind, f"link={link!r}: the name of a link that mqchaos.link(...) opened")
    if link is not None:
        shown.append(("link", link))
    seconds = default_duration
    if duration is not None and duration != default_duration:
        seconds = number(kind, "duration", duration)
        shown.append(("duration", seconds))
    for option, (value, default) in (options or {}).items():
        if value != default:
            shown.append((option, value))
    how_often, apart = repeats(kind, trigger, times, every)
    shown += [("times", how_often)] * (how_often > 1) + [("every", every)] * (every is not None)
    return Fault(
        kind=kind,
        family=family,
        position=position,
        trigger=trigger,
        consumer=consumer,
        duration=seconds,
        times=how_often,
        every=apart,
        link=None if link is None else str(link),
        options=tuple((option, value) for option, (value, _) in (options or {}).items()),
        shown=tuple(shown),
        name=checked_name(kind, name),
        guarantee=promised(guarantee),
        allow=allowed(allow),
    )


def checked_name(kind: str, name: object) -> str | None:
    """Return `name=` of a fault if it may stand in a test's id."""
    __tracebackhide__ = True
    if name is None:
        return None
    if not isinstance(name, str) or not name or not set(name) <= NAME_CHARACTERS:
        usage(kind, f"name={name!r}: letters, digits and _ . + - only")
    return name


def promised(value: object) -> Guarantee | None:
    """Return `guarantee=` of a fault or a scenario, None if it names none."""
    __tracebackhide__ = True
    return None if value is None else guarantee_of(value)
