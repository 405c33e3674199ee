"""Faults: what is to break, on whom, and at which moment. Configuration only; strikes live in `experiment`.

Each public function returns a frozen `Fault`. They are functions, not classes, so that `chaos(connection_drop)`
without parentheses is told apart from a fault.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NoReturn

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model.guarantees import Guarantee
from pytest_mqchaos.model.guarantees import guarantee as _guarantee
from pytest_mqchaos.model.triggers import Trigger

__all__ = [
    "DEBATABLE_KINDS",
    "UNREADABLE_KINDS",
    "Fault",
    "Scenario",
    "allowed",
    "baseline",
    "broker_restart",
    "combine",
    "connection_drop",
    "connection_reset",
    "consumer_crash",
    "consumer_terminate",
    "lost_ack",
    "malformed_payload",
    "poison_message",
    "refuse",
    "repeated_publish",
    "scenario",
]

Family = Literal["network", "process", "broker", "payload", "protocol"]

UNREADABLE_KINDS = ("truncated", "empty", "not_json", "invalid_utf8")
"""Kinds of malformed payload that no reader can take for sound."""

DEBATABLE_KINDS = (
    "wrong_type",
    "missing_field",
    "wrong_field_type",
    "null_field",
    "not_a_number",
    "huge_number",
    "duplicate_keys",
    "deep_nesting",
    "nul_bytes",
    "byte_flip",
    "oversize",
    "byte_order_mark",
    "wrong_content_type",
    "wrong_content_encoding",
)
"""Kinds of malformed payload that a consumer may refuse, and may rightly process too."""

_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-")


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
    options: tuple[tuple[str, object], ...] = ()
    """Arguments of this kind by name: `process`, `grace`, `share`, `kinds`, `body`, `count`."""
    shown: tuple[tuple[str, object], ...] = ()
    """The arguments that differ from their defaults, as the id shows them."""
    name: str | None = None
    guarantee: Guarantee | None = None
    allow: tuple[tuple[str, str], ...] = ()

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
            parts += [self.position, _slug(self.trigger.id)]
        for name, value in self.shown:
            parts += [name, _slug(value)]
        return "-".join(parts)

    def __str__(self) -> str:
        """The fault as a user would write it: `consumer_crash(after=ack(17))`."""
        body = dict(self.options).get("body")
        arguments = [] if body is None else [_short(body)]
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


def _short(body: object) -> str:
    text = repr(body)
    return text if len(text) <= 40 else f"{text[:36]}...{text[-1]}"


def _slug(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return "+".join(_slug(each) for each in value)
    return "".join(c if c in _NAME_CHARACTERS else "_" for c in str(value))


def _usage(kind: str, why: str) -> NoReturn:
    __tracebackhide__ = True
    raise UsageError(f"{kind}(): {why}")


def _reject_positional(kind: str, arguments: tuple[object, ...]) -> None:
    __tracebackhide__ = True
    if not arguments:
        return
    if callable(arguments[0]):
        _usage(kind, f"forgotten parentheses: write {kind}(), not {kind}")
    _usage(kind, f"takes keyword arguments only, got {arguments[0]!r}")


def _moment(
    kind: str, before: object, after: object
) -> tuple[Literal["before", "after", ""], Trigger | None]:
    __tracebackhide__ = True
    if before is not None and after is not None:
        _usage(kind, "give before= or after=, not both")
    position: Literal["before", "after"] = "before" if before is not None else "after"
    value = before if before is not None else after
    if value is None:
        return "", None
    if not isinstance(value, Trigger):
        if callable(value):
            written = getattr(value, "__name__", "delivery")
            _usage(kind, f"{position}={written}: forgotten parentheses: write {position}={written}(3)")
        _usage(kind, f"{position}={value!r}: a trigger such as delivery(3), ack(5) or seconds(0.5)")
    if position == "before" and value.kind == "seconds":
        _usage(kind, f"before={value}: nothing can be held before a time; write after={value}")
    if position == "before" and value.kind == "effect":
        _usage(
            kind,
            f"before={value}: an effect is seen once it is there; write after={value} or before=ack(...)",
        )
    return position, value


def _number(kind: str, name: str, value: object, *, above: float = 0.0, most: float = float("inf")) -> float:
    """Return `value` as a float within (above, most], or raise a `UsageError` that names it."""
    __tracebackhide__ = True
    usable = isinstance(value, int | float) and not isinstance(value, bool) and above < value <= most
    if not usable or value == float("inf"):
        bound = f"above {above:g}" if most == float("inf") else f"above {above:g}, at most {most:g}"
        _usage(kind, f"{name}={value!r}: a number {bound}")
    return float(str(value))


def _make(
    kind: str,
    family: Family,
    positional: tuple[object, ...],
    *,
    before: object = None,
    after: object = None,
    consumer: object = None,
    duration: object = None,
    default_duration: float | None = None,
    options: Mapping[str, tuple[object, object]] | None = None,
    name: object = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Validate what all faults share; `options` maps a name to its value and its default."""
    __tracebackhide__ = True
    _reject_positional(kind, positional)
    position, trigger = _moment(kind, before, after)
    if consumer is not None and (not isinstance(consumer, str) or not consumer):
        _usage(kind, f'consumer={consumer!r}: a name, "name#2" for one replica, or "*"')
    shown: list[tuple[str, object]] = []
    if consumer is not None:
        shown.append(("consumer", consumer))
    seconds = default_duration
    if duration is not None and duration != default_duration:
        seconds = _number(kind, "duration", duration)
        shown.append(("duration", seconds))
    for option, (value, default) in (options or {}).items():
        if value != default:
            shown.append((option, value))
    return Fault(
        kind=kind,
        family=family,
        position=position,
        trigger=trigger,
        consumer=consumer,
        duration=seconds,
        options=tuple((option, value) for option, (value, _) in (options or {}).items()),
        shown=tuple(shown),
        name=_checked_name(kind, name),
        guarantee=None if guarantee is None else _guarantee(guarantee),
        allow=allowed(allow),
    )


def _checked_name(kind: str, name: object) -> str | None:
    __tracebackhide__ = True
    if name is None:
        return None
    if not isinstance(name, str) or not name or not set(name) <= _NAME_CHARACTERS:
        _usage(kind, f"name={name!r}: letters, digits and _ . + - only")
    return name


def connection_drop(
    *positional: object,
    before: Trigger | None = None,
    after: Trigger | None = None,
    consumer: str | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Cut every connection of the link with a FIN on both sides; the client may reconnect at once.

    Args:
        before: strike when this was sent and has not been passed on; the fault takes it along.
        after: strike when this has reached its receiver and nothing later has.
        consumer: whose link; by default the one that the moment happened on.
        name: replaces the fault's id in the test's name.
        guarantee: what is promised under this fault, instead of the marker's.
        allow: findings that are reported and do not fail the test.

    Raises:
        UsageError: if an argument is out of range or of the wrong kind.
    """
    __tracebackhide__ = True
    return _make("connection_drop", "network", positional, before=before, after=after, consumer=consumer,
                 name=name, guarantee=guarantee, allow=allow)  # fmt: skip


def connection_reset(
    *positional: object,
    before: Trigger | None = None,
    after: Trigger | None = None,
    consumer: str | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Reset every connection of the link (RST), at once, also an idle one. Arguments as of `connection_drop`."""
    __tracebackhide__ = True
    return _make("connection_reset", "network", positional, before=before, after=after, consumer=consumer,
                 name=name, guarantee=guarantee, allow=allow)  # fmt: skip


def refuse(
    *positional: object,
    duration: float = 1.0,
    before: Trigger | None = None,
    after: Trigger | None = None,
    consumer: str | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Cut the link and refuse new connections for `duration` seconds. Other arguments as of `connection_drop`."""
    __tracebackhide__ = True
    return _make("refuse", "network", positional, before=before, after=after, consumer=consumer,
                 duration=duration, default_duration=1.0, name=name, guarantee=guarantee, allow=allow)  # fmt: skip


def consumer_crash(
    *positional: object,
    process: Literal["group", "main", "child"] = "group",
    before: Trigger | None = None,
    after: Trigger | None = None,
    consumer: str | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Kill the consumer (SIGKILL): its process group, the first process, or one child.

    It is stopped first, so that it gets no further than the moment named. Other arguments as of `connection_drop`.
    """
    __tracebackhide__ = True
    if process not in ("group", "main", "child"):
        _usage("consumer_crash", f"process={process!r}: 'group', 'main' or 'child'")
    return _make("consumer_crash", "process", positional, before=before, after=after, consumer=consumer,
                 options={"process": (process, "group")}, name=name, guarantee=guarantee, allow=allow)  # fmt: skip


def consumer_terminate(
    *positional: object,
    grace: float = 10.0,
    before: Trigger | None = None,
    after: Trigger | None = None,
    consumer: str | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Ask the consumer to end (SIGTERM to its main process), and kill its group after `grace` seconds."""
    __tracebackhide__ = True
    value = _number("consumer_terminate", "grace", grace)
    return _make("consumer_terminate", "process", positional, before=before, after=after, consumer=consumer,
                 options={"grace": (value, 10.0)}, name=name, guarantee=guarantee, allow=allow)  # fmt: skip


def broker_restart(
    *positional: object,
    before: Trigger | None = None,
    after: Trigger | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Stop the broker cleanly and start it again; its address stays. Other arguments as of `connection_drop`."""
    __tracebackhide__ = True
    return _make("broker_restart", "broker", positional, before=before, after=after, name=name,
                 guarantee=guarantee, allow=allow)  # fmt: skip


def lost_ack(
    *positional: object,
    before: Trigger | None = None,
    after: Trigger | None = None,
    consumer: str | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Swallow an ack and reset its connection: the broker never learns that the work is done.

    `before=ack(n)` swallows that frame, another moment the first ack after it, none a seeded one. Other
    arguments as of `connection_drop`.
    """
    __tracebackhide__ = True
    return _make("lost_ack", "protocol", positional, before=before, after=after, consumer=consumer, name=name,
                 guarantee=guarantee, allow=allow)  # fmt: skip


def malformed_payload(
    *positional: object,
    share: float = 0.1,
    kinds: Iterable[str] | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Add malformed messages, made from the test's own body, at seeded places of the workload.

    Args:
        share: of the workload's count, within (0, 1]: `round(share * count)` are added, at least one.
        kinds: any of these. Unreadable: `truncated`, `empty`, `not_json`, `invalid_utf8`. Debatable, since a
            consumer may rightly process them: `wrong_type`, `missing_field`, `wrong_field_type`, `null_field`,
            `not_a_number`, `huge_number`, `duplicate_keys`, `deep_nesting`, `nul_bytes`, `byte_flip`, `oversize`,
            `byte_order_mark`, `wrong_content_type`, `wrong_content_encoding`. By default all that the test's body
            can be made into, each once before any twice; under `poison="dead-letter"` and `"discard"` the
            unreadable ones only.
        name: replaces the fault's id in the test's name.
        guarantee: what is promised under this fault, instead of the marker's.
        allow: findings that are reported and do not fail the test.

    Raises:
        UsageError: if `share` is out of range or a kind unknown.
    """
    __tracebackhide__ = True
    _reject_positional("malformed_payload", positional)
    value = _number("malformed_payload", "share", share, most=1.0)
    chosen = None if kinds is None else ((kinds,) if isinstance(kinds, str) else tuple(kinds))
    known = UNREADABLE_KINDS + DEBATABLE_KINDS
    for kind in chosen or ():
        if kind not in known:
            _usage("malformed_payload", f"kinds={kind!r}: one of {', '.join(known)}")
    if chosen == ():
        _usage("malformed_payload", "kinds=(): name at least one kind, or leave it out for all")
    return _make("malformed_payload", "payload", (), options={"share": (value, 0.1), "kinds": (chosen, None)},
                 name=name, guarantee=guarantee, allow=allow)  # fmt: skip


def poison_message(
    body: object = None,
    *positional: object,
    count: int = 1,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Add `count` messages with the user's own bad `body` (bytes, str, or a dict or list sent as JSON).

    Raises:
        UsageError: if `body` is of another kind or `count` is not positive.
    """
    __tracebackhide__ = True
    if callable(body):
        _usage("poison_message", "forgotten parentheses: write poison_message(b'...'), not poison_message")
    _reject_positional("poison_message", positional)
    if not isinstance(body, bytes | str | dict | list):
        _usage("poison_message", f"body={body!r}: bytes, str, or a dict or list that is sent as JSON")
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        _usage("poison_message", f"count={count!r}: a whole number, at least 1")
    made = _make("poison_message", "payload", (), options={"count": (count, 1)}, name=name,
                 guarantee=guarantee, allow=allow)  # fmt: skip
    raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    return replace(made, options=(*made.options, ("body", raw)))


def repeated_publish(
    *positional: object,
    share: float = 0.1,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Publish some good messages twice, with the same id and properties, as a retrying publisher does.

    Each has two copies then, and still one effect: a consumer that promises exactly-once has to notice.

    Args:
        share: of the workload's count, within (0, 1]: `round(share * count)` are repeated, at least one, at seeded
            places; each repetition follows directly or a few messages later.
        name: replaces the fault's id in the test's name.
        guarantee: what is promised under this fault, instead of the marker's.
        allow: findings that are reported and do not fail the test.

    Raises:
        UsageError: if `share` is out of range.
    """
    __tracebackhide__ = True
    _reject_positional("repeated_publish", positional)
    value = _number("repeated_publish", "share", share, most=1.0)
    return _make("repeated_publish", "payload", (), options={"share": (value, 0.1)}, name=name,
                 guarantee=guarantee, allow=allow)  # fmt: skip


def baseline(
    *positional: object, name: str | None = None, guarantee: object = None, allow: object = ()
) -> Scenario:
    """Return the empty scenario: nothing is broken, and the delivery hazards are named all the same."""
    __tracebackhide__ = True
    _reject_positional("baseline", positional)
    return Scenario(
        name=_checked_name("baseline", name),
        guarantee=None if guarantee is None else _guarantee(guarantee),
        allow=allowed(allow),
    )


def combine(
    *faults: Fault, name: str | None = None, guarantee: object = None, allow: object = ()
) -> Scenario:
    """Return one scenario of several faults, each at its own moment.

    Its guarantee is its own, or the first that a fault of it names; the faults' allowances are joined.

    Raises:
        UsageError: if something that is not a fault is given, or nothing.
    """
    __tracebackhide__ = True
    if not faults:
        _usage("combine", "name at least one fault")
    for fault in faults:
        if not isinstance(fault, Fault):
            if callable(fault):
                name_of = getattr(fault, "__name__", "fault")
                ours = getattr(fault, "__module__", "") == __name__
                _usage("combine", f"forgotten parentheses: write {name_of if ours else 'combine'}(...)")
            _usage("combine", f"{fault!r} is not a fault")
    own = None if guarantee is None else _guarantee(guarantee)
    return Scenario(
        faults=tuple(faults),
        name=_checked_name("combine", name),
        guarantee=own or next((fault.guarantee for fault in faults if fault.guarantee is not None), None),
        allow=tuple(pair for fault in faults for pair in fault.allow) + allowed(allow),
    )
