"""The topology that the ops team keeps: RabbitMQ's file of definitions, loaded into the namespace of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pytest_mqchaos.brokers.rabbitmq.definitions import Definitions, adapted, read
from pytest_mqchaos.brokers.rabbitmq.loading import load
from pytest_mqchaos.errors import ChaosError, UsageError
from pytest_mqchaos.experiment.run import Run
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import now
from pytest_mqchaos.model.scaling import checked_scale

__all__ = ["Loaded", "load_definitions"]

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Loaded:
    """What of a file of definitions was loaded; what `mqchaos.definitions` returns."""

    vhost: str
    """Of the file; here all of it is in the run's own namespace."""
    queues: tuple[str, ...]
    exchanges: tuple[str, ...]
    bindings: int
    policies: tuple[str, ...]
    changed: tuple[str, ...]
    """In words, which values are others than in the file: scaled, or overridden."""
    left_out: tuple[str, ...]
    """In words, what the file has besides: users, permissions, shovels, other vhosts."""

    def __str__(self) -> str:
        """What was loaded, changed and left out, in one line."""
        policies = f" ({_few(self.policies)})" if self.policies else ""
        text = (
            f"vhost {self.vhost!r}: {_many(len(self.queues), 'queue', 'queues')}, "
            f"{_many(len(self.exchanges), 'exchange', 'exchanges')}, "
            f"{_many(self.bindings, 'binding', 'bindings')}, "
            f"{_many(len(self.policies), 'policy', 'policies')}{policies}"
        )
        if self.changed:
            text += f"; {_few(self.changed)}"
        return text + (f"; left out: {', '.join(self.left_out)}" if self.left_out else "")


def load_definitions(run: Run, path: object, *, vhost: object, override: object, ttl_scale: object) -> Loaded:
    """Load a file of definitions; see `Chaos.definitions`."""
    __tracebackhide__ = True
    if not isinstance(path, str | Path) or not str(path):
        raise UsageError(f"definitions({path!r}): the path of a file")
    call = f"definitions({str(path)!r})"
    if vhost is not None and not isinstance(vhost, str):
        raise UsageError(f"{call}: vhost={vhost!r}: the name of a vhost in the file")
    text = _text(Path(path), call)
    scale = checked_scale(call, ttl_scale)
    found = adapted(
        read(text, call=call, vhost=vhost), call=call, override=_override(override, call), scale=scale
    )
    _refuse_everybodys(run, found, call)
    load(found, run.declarer, partial(_set_policy, run, call), call=call)
    for queue in found.queues:
        run.ages.known(str(queue["name"]))
    loaded = Loaded(
        vhost=found.vhost,
        queues=_names(found.queues),
        exchanges=_names(found.exchanges),
        bindings=len(found.bindings),
        policies=_names(found.policies),
        changed=tuple(found.changed),
        left_out=tuple(found.left_out),
    )
    run.history.append(facts.Noted(at=now(), text=f"{Path(path).name}: {loaded}"))
    return loaded


def _text(path: Path, call: str) -> bytes:
    __tracebackhide__ = True
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"{call}: there is no such file (looked for {path.absolute()})") from None
    except OSError as error:
        raise UsageError(f"{call}: cannot be read: {error.strerror or error}") from None


def _override(value: object, call: str) -> Mapping[str, Mapping[str, Any]]:
    __tracebackhide__ = True
    if value is None:
        return {}
    shape = isinstance(value, Mapping) and all(
        isinstance(glob, str)
        and isinstance(values, Mapping)
        and all(isinstance(name, str) for name in values)
        for glob, values in value.items()
    )
    if not shape:
        such = "{'orders.retry.*': {'x-message-ttl': 200}}"
        raise UsageError(f"{call}: override={value!r}: a dict of globs to values, such as {such}")
    return value  # type: ignore[return-value]


def _refuse_everybodys(run: Run, found: Definitions, call: str) -> None:
    """Raise if something in the file would be everybody's, where the run shares a vhost; nothing is made then."""
    __tracebackhide__ = True
    run.sharing.admit(*(str(queue["name"]) for queue in found.queues))
    for one in found.bindings:
        run.sharing.refuse_everybodys(call, str(one["source"]))
    if found.policies and (why := run.broker.policies_refused):
        raise ChaosError(f"{call}: its policies ({_few(_names(found.policies))}) {why}")


def _set_policy(run: Run, call: str, policy: Mapping[str, Any]) -> None:
    __tracebackhide__ = True
    try:
        run.broker.set_policy(run.namespace, policy)
    except ChaosError as error:
        raise ChaosError(f"{call}: {error}") from None


def _names(found: Any) -> tuple[str, ...]:
    return tuple(str(one["name"]) for one in found)


def _few(lines: tuple[str, ...]) -> str:
    more = f", and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return ", ".join(lines[:_SHOWN]) + more


def _many(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"
