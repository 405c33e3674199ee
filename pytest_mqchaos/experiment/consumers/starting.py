"""Starting the user's consumer: its name, its links, its processes, until it consumes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from pytest_mqchaos.consumers.consumer import Consumer, LinkAddress
from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.experiment.consumers.images import Named, note_blur, on_engine, seen_by
from pytest_mqchaos.experiment.consumers.inside import Link
from pytest_mqchaos.experiment.consumers.readiness import await_ready
from pytest_mqchaos.experiment.consumers.wrapped import refuse_complaints
from pytest_mqchaos.experiment.effects.sources import Sources
from pytest_mqchaos.experiment.run import Run
from pytest_mqchaos.link.publishing import Adopt
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import now
from pytest_mqchaos.model.image import DockerImage
from pytest_mqchaos.model.scaling import checked_scale
from pytest_mqchaos.model.waits import seconds

__all__ = ["address", "chosen_name", "fork_guard", "start_consumer"]

_SCRIPT = re.compile(r"\.(py|js|mjs|ts|rb|go|sh|pl|dll|php|exs?)$")
_JAVA_TAKES = ("-cp", "-classpath", "--class-path", "-p", "--module-path", "--upgrade-module-path", "--add-modules",
               "--add-opens", "--add-exports", "--add-reads", "--limit-modules", "--source")  # fmt: skip
"""Options of Java that a word of their own follows."""
_CALL_TIMEOUT = 5.0
"""Seconds that a fork waits for a source of effects which the test reads just then."""


def start_consumer(
    run: Run,
    sources: Sources,
    target: Named,
    *,
    name: str | None,
    replicas: int,
    ready_timeout: float,
    queues: str | Sequence[str] | None,
    tls: bool,
    ttl_scale: float,
    link: Link | None = None,
    holds: float,
    **options: Any,
) -> Consumer:
    """Start a consumer and wait until it consumes; see `Chaos.consumer`, whose other arguments are `options`."""
    __tracebackhide__ = True
    if isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 1:
        raise UsageError(f"consumer(): replicas={replicas!r}: a whole number, at least 1")
    seconds("consumer()", "ready_timeout", ready_timeout, above=True)
    if not isinstance(tls, bool):
        raise UsageError(f"consumer(): tls={tls!r}: True, or False")
    scale = checked_scale("consumer()", ttl_scale)
    seconds("consumer()", "holds", holds)
    wanted = (queues,) if isinstance(queues, str) else tuple(queues or ())
    own = None if link is None else _handed_over(run, link, name, replicas=replicas, tls=tls, ttl_scale=scale)
    chosen = chosen_name(run, target, name if link is None else link.name)
    started = on_engine(run, target, sources.files(chosen), effect_after=options.get("effect_after"))
    names = [chosen if i == 0 else f"{chosen}#{i + 1}" for i in range(replicas)]
    addresses = [own or address(run, link_name, tls=tls, ttl_scale=scale) for link_name in names]
    consumer = Consumer(
        started,
        name=chosen,
        links=[seen_by(started, one) for one in addresses],
        queues=wanted,
        directory=run.directory,
        history=run.history,
        fork_guard=partial(fork_guard, run),
        outage=run.outage,
        progress=lambda: run.ledger.progress,
        **options,
    )
    consumer.holds = float(holds)
    run.consumers.append(consumer)
    for replica in consumer.replicas:
        run.board.add_file(replica.effects, name="$MQCHAOS_EFFECTS", consumer=replica.name, named=False)
    if consumer.wrapping is not None:
        target_name = consumer.wrapping.target
        for replica in consumer.replicas:
            if (path := replica.wrapped) is not None:
                run.board.add_file(path, name=target_name, consumer=replica.name, named=False, wrapped=True)
        run.history.append(facts.SourceNamed(at=now(), source=target_name, kind="function"))
    sources.resolve()
    run.sharing.admit(*wanted)
    before = len(run.history)
    consumer.start()
    note_blur(run, consumer)
    await_ready(run, consumer, since=before, timeout=float(ready_timeout))
    refuse_complaints(consumer)
    return consumer


def _handed_over(
    run: Run, link: Link, name: str | None, *, replicas: int, tls: bool, ttl_scale: float
) -> LinkAddress:
    """Let a link that the test opened be a consumer's own from now on.

    Raises:
        UsageError: if it is none, or has another name than the consumer, or cannot be shared.
    """
    __tracebackhide__ = True
    if not run.inside.holds(link):
        raise UsageError(f"consumer(): link={link!r}: one that mqchaos.link(...) opened without an upstream")
    if name not in (None, link.name):
        raise UsageError(
            f"consumer(): name={name!r}: a consumer on {link!r} has the link's name: leave it out"
        )
    if replicas > 1:
        raise UsageError(
            f"consumer(): replicas={replicas}: one process on {link!r}, each replica has its own"
        )
    if tls:
        raise UsageError("consumer(): tls=True: say so where the link is opened: mqchaos.link(..., tls=True)")
    run.links.open(link.name).wire.ttl_scale = ttl_scale
    return run.inside.give(link.name)


def chosen_name(run: Run, target: object, name: str | None, call: str = "consumer") -> str:
    """Return the name for a new consumer or producer (`call`): the one given, or one made from its target.

    Raises:
        UsageError: if it is taken, or not usable as a name.
    """
    __tracebackhide__ = True
    taken = {consumer.name for consumer in run.consumers} | {producer.name for producer in run.producers}
    taken |= run.inside.names | {"publisher"}
    if name is not None:
        if not isinstance(name, str) or not re.fullmatch(r"[\w.+-]+", name):
            raise UsageError(f"{call}(): name={name!r}: letters, digits and _ . + - only")
        if name in run.inside.names and call == "consumer":
            raise UsageError(
                f"{call}(): name={name!r} is taken in this test, by a link: consumer(..., link=link) starts a process "
                "on it, under that name"
            )
        if name in taken:
            raise UsageError(f"{call}(): name={name!r} is taken in this test")
        return name
    stem = _stem(target)
    chosen, number = stem, 2
    while chosen in taken:
        chosen, number = f"{stem}-{number}", number + 1
    return chosen


@contextmanager
def fork_guard(run: Run) -> Iterator[None]:
    """Hold the link's thread, the history and the test's own sources still: a fork is to copy no lock that is held."""
    with run.board.not_calling(_CALL_TIMEOUT), run.thread.paused(), run.history.changed:
        yield


def address(
    run: Run,
    name: str,
    *,
    tls: bool = False,
    port: int = 0,
    ttl_scale: float = 1.0,
    adopt: Adopt | None = None,
) -> LinkAddress:
    """Open a link unless it is open, and return how a program finds the broker through it."""
    __tracebackhide__ = True
    url, link = run.link_url(name, tls=tls, port=port, adopt=adopt), run.links.open(name)
    broker = run.broker
    link.wire.ttl_scale = ttl_scale  # before anybody can connect
    return LinkAddress(
        name=name,
        url=url,
        host=link.wire.host,
        port=link.wire.port,
        user=broker.user,
        password=broker.password,
        vhost=broker.vhost(run.namespace),
        prefix=run.names.prefix,
        trust=run.authority.trust() if tls else {},
        services={service: stand.address(name) for service, stand in run.http.items()},
    )


def _stem(target: object) -> str:
    if isinstance(target, DockerImage):
        raw = target.stem
    elif callable(target):
        raw = getattr(target, "__name__", type(target).__name__)
    else:
        words = target.split() if isinstance(target, str) else [str(word) for word in _words(target)]
        raw = _program(words)
    return re.sub(r"[^\w.+-]+", "-", raw).strip("-") or "consumer"


def _program(words: Sequence[str]) -> str:
    """Return what a command runs: its script, the module behind `-m`, Java's main class, or else its first word."""
    if words and Path(words[0]).name == "java":
        return _java(words)
    scripts = [word for word in words if _SCRIPT.search(word)]
    if scripts:
        return Path(scripts[0]).name.rsplit(".", 1)[0]
    after_m = [words[i + 1] for i, word in enumerate(words[:-1]) if word == "-m"]
    return Path((after_m or words or ["consumer"])[0]).name


def _java(words: Sequence[str]) -> str:
    """Return the main class of a command of Java, without its package, or the archive that is run."""
    taken = {i + 1 for i, word in enumerate(words) if word in _JAVA_TAKES}
    named = [word for i, word in enumerate(words) if i and i not in taken and not word.startswith(("-", "@"))]
    if not named:
        return "java"
    if named[0].endswith((".jar", ".java")):
        return Path(named[0]).stem
    return re.split(r"[./$]", named[0])[-1]


def _words(target: object) -> Sequence[object]:
    return target if isinstance(target, Sequence) else ()
