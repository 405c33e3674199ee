"""Starting the user's consumer: its name, its links, its processes, until it consumes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from pytest_mqchaos.consumers.consumer import Consumer, LinkAddress
from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.experiment.readiness import await_ready
from pytest_mqchaos.experiment.run import Run
from pytest_mqchaos.experiment.sources import Sources

__all__ = ["start_consumer"]

_CALL_TIMEOUT = 5.0
"""Seconds that a fork waits for a source of effects which the test reads just then."""


def start_consumer(
    run: Run,
    sources: Sources,
    target: str | Sequence[str] | Callable[..., object],
    *,
    name: str | None,
    replicas: int,
    ready_timeout: float,
    queues: str | Sequence[str] | None,
    **options: Any,
) -> Consumer:
    """Start a consumer and wait until it consumes; see `Chaos.consumer`, whose other arguments are `options`."""
    __tracebackhide__ = True
    if isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 1:
        raise UsageError(f"consumer(): replicas={replicas!r}: a whole number, at least 1")
    if not isinstance(ready_timeout, int | float) or not ready_timeout > 0:
        raise UsageError(f"consumer(): ready_timeout={ready_timeout!r}: seconds, above 0")
    chosen = _chosen_name(run, target, name)
    wanted = (queues,) if isinstance(queues, str) else tuple(queues or ())
    names = [chosen if i == 0 else f"{chosen}#{i + 1}" for i in range(replicas)]
    consumer = Consumer(
        target,
        name=chosen,
        links=[_address(run, link_name) for link_name in names],
        queues=wanted,
        directory=run.directory,
        history=run.history,
        fork_guard=partial(_fork_guard, run),
        outage=run.outage,
        **options,
    )
    run.consumers.append(consumer)
    for replica in consumer.replicas:
        run.board.add_file(replica.effects, name="$MQCHAOS_EFFECTS", consumer=replica.name, named=False)
    sources.resolve()
    run.sharing.admit(*wanted)
    before = len(run.history)
    consumer.start()
    await_ready(run, consumer, since=before, timeout=float(ready_timeout))
    return consumer


def _chosen_name(run: Run, target: object, name: str | None) -> str:
    """Return the name for a new consumer: the one given, or one made from its target.

    Raises:
        UsageError: if it is taken, or not usable as a name.
    """
    __tracebackhide__ = True
    taken = {consumer.name for consumer in run.consumers} | {"publisher"}
    if name is not None:
        if not isinstance(name, str) or not re.fullmatch(r"[\w.+-]+", name):
            raise UsageError(f"consumer(): name={name!r}: letters, digits and _ . + - only")
        if name in taken:
            raise UsageError(f"consumer(): name={name!r} is taken in this test")
        return name
    stem = _stem(target)
    chosen, number = stem, 2
    while chosen in taken:
        chosen, number = f"{stem}-{number}", number + 1
    return chosen


@contextmanager
def _fork_guard(run: Run) -> Iterator[None]:
    """Hold the link's thread, the history and the test's own sources still: a fork is to copy no lock that is held."""
    with run.board.not_calling(_CALL_TIMEOUT), run.thread.paused(), run.history.changed:
        yield


def _address(run: Run, name: str) -> LinkAddress:
    url, link, broker = run.link_url(name), run.links.open(name), run.broker
    return LinkAddress(
        name=name,
        url=url,
        host=link.wire.host,
        port=link.wire.port,
        user=broker.user,
        password=broker.password,
        vhost=broker.vhost(run.namespace),
        prefix=run.names.prefix,
    )


def _stem(target: object) -> str:
    if callable(target):
        raw = getattr(target, "__name__", type(target).__name__)
    else:
        words = target.split() if isinstance(target, str) else [str(word) for word in _words(target)]
        scripts = [w for w in words if re.search(r"\.(py|js|mjs|ts|rb|go|sh|jar|php|exs?)$", w)]
        after_m = [words[i + 1] for i, w in enumerate(words[:-1]) if w == "-m"]
        raw = Path((scripts or after_m or words or ["consumer"])[0]).name
        raw = raw.rsplit(".", 1)[0] if scripts else raw
    return re.sub(r"[^\w.+-]+", "-", raw).strip("-") or "consumer"


def _words(target: object) -> Sequence[object]:
    return target if isinstance(target, Sequence) else ()
