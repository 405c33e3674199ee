"""RabbitMQ's file of definitions, as `rabbitmqctl export_definitions` and the management API write it.

A pure reading: of one vhost its queues, exchanges, bindings and policies, with the delays scaled and what the test
overrides; and in words all that was left out.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model.scaling import LIVES, scaled

__all__ = ["Definitions", "adapted", "read"]

_PARTS = ("queues", "exchanges", "bindings", "policies")
_POLICY_LIVES = ("message-ttl", "expires")
_OTHERS = {
    "users": ("user", "users"),
    "permissions": ("permission", "permissions"),
    "topic_permissions": ("topic permission", "topic permissions"),
    "global_parameters": ("global parameter", "global parameters"),
}
_COMPONENTS = {
    "shovel": ("shovel", "shovels"),
    "federation-upstream": ("federation upstream", "federation upstreams"),
    "federation-upstream-set": ("set of federation upstreams", "sets of federation upstreams"),
    "operator_policy": ("operator policy", "operator policies"),
    "vhost-limits": ("limit of a vhost", "limits of vhosts"),
}
_ARGUMENTS = frozenset(
    f"x-{name}"
    for name in (
        "consumer-timeout", "dead-letter-exchange", "dead-letter-routing-key", "dead-letter-strategy", "delivery-limit",
        "expires", "initial-cluster-size", "max-age", "max-in-memory-bytes", "max-in-memory-length", "max-length",
        "max-length-bytes", "max-priority", "message-ttl", "overflow", "queue-leader-locator", "queue-master-locator",
        "queue-mode", "queue-type", "queue-version", "quorum-initial-group-size", "single-active-consumer",
        "stream-max-segment-size-bytes",
    )
)  # fmt: skip
"""What RabbitMQ knows as an argument of a queue."""
_BUILT_IN = "amq."
_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions:
    """What of a file is loaded; the parts as the file has them."""

    vhost: str
    queues: Sequence[Mapping[str, Any]] = ()
    exchanges: Sequence[Mapping[str, Any]] = ()
    bindings: Sequence[Mapping[str, Any]] = ()
    policies: Sequence[Mapping[str, Any]] = ()
    left_out: Sequence[str] = ()
    """In words, what the file has besides."""
    changed: Sequence[str] = field(default=())
    """In words, which values are others than in the file."""


def read(text: bytes, *, call: str, vhost: str | None) -> Definitions:
    """Return what a file says of one vhost.

    Args:
        text: the file's.
        call: what to begin an error with.
        vhost: its name; None for the only one that has something, or `/`.

    Raises:
        UsageError: if the text is no such file, or has nothing of that vhost.
    """
    __tracebackhide__ = True
    said = _said(text, call)
    parts = {part: _listed(said, part, call) for part in _PARTS}
    chosen = _chosen(parts, call, vhost)
    own = {
        part: [one for one in found if one.get("vhost", chosen) == chosen] for part, found in parts.items()
    }
    for part in (*_OTHERS, "parameters", "vhosts"):
        _listed(said, part, call)
    for part in ("queues", "exchanges", "policies"):
        _checked(own[part], part, call)
    exchanges = [
        one for one in own["exchanges"] if one["name"] and not str(one["name"]).startswith(_BUILT_IN)
    ]
    policies, dropped = _for_one_node(own["policies"])
    return Definitions(
        vhost=chosen,
        queues=[_typed(one) for one in own["queues"]],
        exchanges=exchanges,
        bindings=[one for one in own["bindings"] if one.get("source")],
        policies=policies,
        left_out=(*_left_out(said, parts, chosen), *dropped),
    )


def adapted(
    found: Definitions, *, call: str, override: Mapping[str, Mapping[str, Any]], scale: float
) -> Definitions:
    """Return definitions with their delays scaled, and then with what the test overrides: that is not scaled.

    Args:
        found: as the file has them.
        call: what to begin an error with.
        override: values by glob: names with `x-` are arguments of queues, others belong to policies; None takes
            one away, and with the last one the policy, which is left out then.
        scale: factor of all times to live.

    Raises:
        UsageError: if a glob matches nothing.
    """
    __tracebackhide__ = True
    changes: list[str] = []
    queues = [_with(one, "arguments", LIVES, scale, changes) for one in found.queues]
    policies = [_with(one, "definition", _POLICY_LIVES, scale, changes) for one in found.policies]
    for glob, values in override.items():
        for name, value in values.items():
            kind, key = (queues, "arguments") if name.startswith("x-") else (policies, "definition")
            hit = [i for i, one in enumerate(kind) if fnmatchcase(str(one["name"]), glob)]
            if not hit:
                raise UsageError(_unmatched(call, glob, name, queues, policies))
            for i in hit:
                kind[i] = _overridden(kind[i], key, name, value, changes)
    # The broker refuses a policy that says nothing; without it the queues are what the test asked for.
    emptied = [f"policy {one['name']!r} (nothing is left in it)" for one in policies if not one["definition"]]
    return replace(
        found,
        queues=queues,
        policies=[one for one in policies if one["definition"]],
        changed=tuple(dict.fromkeys(changes)),
        left_out=(*found.left_out, *emptied),
    )


def _said(text: bytes, call: str) -> Mapping[str, Any]:
    __tracebackhide__ = True
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{call}: is no JSON: {error}") from None
    if not isinstance(said, dict) or not any(part in said for part in _PARTS):
        raise UsageError(
            f"{call}: has no queues, exchanges, bindings or policies: RabbitMQ's file of definitions is what "
            "`rabbitmqctl export_definitions` writes"
        )
    return said


def _listed(said: Mapping[str, Any], part: str, call: str) -> list[Mapping[str, Any]]:
    __tracebackhide__ = True
    found = said.get(part) or []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise UsageError(f"{call}: its {part} are no list of objects")
    return found


def _checked(found: Sequence[Mapping[str, Any]], part: str, call: str) -> None:
    __tracebackhide__ = True
    inner = "definition" if part == "policies" else "arguments"
    for number, one in enumerate(found):
        if not isinstance(one.get("name"), str):
            raise UsageError(f"{call}: {part}[{number}] has no name")
        if not isinstance(one.get(inner) or {}, dict):
            raise UsageError(f"{call}: the {inner} of {one['name']!r} are no object")


def _chosen(parts: Mapping[str, list[Mapping[str, Any]]], call: str, vhost: str | None) -> str:
    __tracebackhide__ = True
    there = dict.fromkeys(str(one["vhost"]) for found in parts.values() for one in found if "vhost" in one)
    nameless = any("vhost" not in one for found in parts.values() for one in found)
    if vhost is not None:
        if vhost in there or (nameless and not there):
            return vhost
        named = ", ".join(map(repr, there)) or "none"
        raise UsageError(f"{call}: has nothing of vhost {vhost!r}; it has: {named}")
    if len(there) == 1:
        return next(iter(there))
    if "/" in there or not there:
        return "/"
    named = ", ".join(map(repr, there))
    raise UsageError(f"{call}: is of {len(there)} vhosts ({named}): say which, vhost={next(iter(there))!r}")


def _typed(queue: Mapping[str, Any]) -> Mapping[str, Any]:
    """A queue whose type stands in its arguments, where the file has it beside them."""
    arguments = dict(queue.get("arguments") or {})
    if queue.get("type") in ("quorum", "stream"):
        arguments.setdefault("x-queue-type", queue["type"])
    return {**queue, "arguments": arguments}


def _for_one_node(policies: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], list[str]]:
    """Policies without what one node has no use for: the mirrors of classic queues, which 4.x refuses."""
    kept: list[Mapping[str, Any]] = []
    dropped: list[str] = []
    for one in policies:
        definition = {k: v for k, v in (one.get("definition") or {}).items() if not k.startswith("ha-")}
        if len(definition) < len(one.get("definition") or {}):
            dropped.append(f"the mirrors (ha-...) of policy {one['name']!r}")
        if definition:
            kept.append({**one, "definition": definition})
    return kept, dropped


def _left_out(
    said: Mapping[str, Any], parts: Mapping[str, list[Mapping[str, Any]]], chosen: str
) -> Iterator[str]:
    for part, words in _OTHERS.items():
        if found := said.get(part):
            yield _many(len(found), words)
    components = Counter(str(one.get("component")) for one in said.get("parameters") or ())
    for component, count in components.items():
        yield _many(
            count, _COMPONENTS.get(component, (f"parameter of {component}", f"parameters of {component}"))
        )
    others = Counter(
        str(one["vhost"]) for found in parts.values() for one in found if one.get("vhost", chosen) != chosen
    )
    listed = {str(one.get("name")) for one in said.get("vhosts") or () if isinstance(one, dict)} - {chosen}
    for name in sorted({*others, *listed}):
        yield f"vhost {name!r}" + (f" ({_many(others[name], ('object', 'objects'))})" if others[name] else "")


def _many(count: int, words: tuple[str, str]) -> str:
    return f"{count} {words[count != 1]}"


def _with(
    one: Mapping[str, Any], key: str, lives: Sequence[str], scale: float, changes: list[str]
) -> Mapping[str, Any]:
    """A queue or policy with its delays scaled."""
    values = dict(one.get(key) or {})
    for name in lives:
        value = values.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and (new := scaled(value, scale)) != value:
            values[name] = new
            changes.append(f"{name} of {one['name']} from {value:,} to {new:,} ms")
    return {**one, key: values}


def _overridden(
    one: Mapping[str, Any], key: str, name: str, value: object, changes: list[str]
) -> Mapping[str, Any]:
    values = dict(one[key])
    if value is None:
        values.pop(name, None)
        changes.append(f"{name} of {one['name']} taken away")
    else:
        values[name] = value
        changes.append(f"{name} of {one['name']} is {value!r}")
    return {**one, key: values}


def _unmatched(
    call: str,
    glob: str,
    name: str,
    queues: Sequence[Mapping[str, Any]],
    policies: Sequence[Mapping[str, Any]],
) -> str:
    kind, there = ("queue", queues) if name.startswith("x-") else ("policy", policies)
    hint = ""
    if kind == "policy" and f"x-{name}" in _ARGUMENTS:
        if any(fnmatchcase(str(one["name"]), glob) for one in queues):
            hint = f"; {name!r} is a policy's, an argument of a queue is 'x-{name}'"
    elif kind == "policy":
        hint = "; only arguments (x-...) of queues and policies' values can be overridden"
    names = [str(one["name"]) for one in there]
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    listed = ", ".join(names[:_SHOWN]) + more or "none"
    return f"{call}: override: no {kind} matches {glob!r}{hint}; there are: {listed}"
