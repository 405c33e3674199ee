"""Starting the application's own publisher: its name, its link, its process, until it is connected."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from pytest_mqchaos import payloads
from pytest_mqchaos.consumers.consumer import Consumer
from pytest_mqchaos.errors import ChaosError, NoCanary, UsageError
from pytest_mqchaos.experiment.consumers.images import Named, note_blur, on_engine, seen_by
from pytest_mqchaos.experiment.consumers.readiness import await_connected
from pytest_mqchaos.experiment.consumers.starting import address, chosen_name, fork_guard
from pytest_mqchaos.experiment.effects.serving import refuse_transient
from pytest_mqchaos.experiment.effects.sources import Sources
from pytest_mqchaos.experiment.run import Run
from pytest_mqchaos.experiment.workload.adoption import Adoption
from pytest_mqchaos.experiment.workload.claims import Claims
from pytest_mqchaos.experiment.workload.producer import Producer
from pytest_mqchaos.experiment.workload.publications import key_of
from pytest_mqchaos.model.waits import seconds

__all__ = ["start_producer"]

_CALL = "consumer("


def start_producer(
    run: Run,
    sources: Sources,
    target: Named,
    *,
    name: str | None,
    env: Mapping[str, str | None] | None,
    cwd: str | Path | None,
    args: Sequence[object],
    key: str | Callable[[payloads.Draft], object] | None,
    count: int | None,
    until: str,
    quiet: float,
    restart: str,
    ready_timeout: float,
    sent: str | Path | None,
) -> Producer:
    """Start a producer and wait until it is connected; see `Chaos.producer`."""
    __tracebackhide__ = True
    _check(count, until, quiet, key, ready_timeout, sent)
    _refuse_faults(run)
    chosen = chosen_name(run, target, name, "producer")
    rule = None if key is None else key_of(key)
    adoption = Adoption(
        chosen, numbering=run, index=run.adopted, history=run.history, identity=run.identity, names=run.names,
        key_of=rule, record=run.ledger.records.get)  # fmt: skip
    said = run.directory / f"{chosen}.sent"
    said.touch()
    said.chmod(0o666)
    with _named():
        program = _program(run, target, chosen, adoption, {"MQCHAOS_SENT": str(said), **(env or {})}, sent,
                           cwd=cwd, args=args, restart=restart)  # fmt: skip
    own = [] if sent is None else [program.cwd / sent]
    producer = Producer(
        run, program, adoption, Claims([said, *own], chosen, run.history, adoption),
        count=count, until=until, quiet=float(quiet), rule=payloads.KeyRule.of(key))  # fmt: skip
    if rule is not None:
        run.identity.learn_key(rule)
    _enrol(run, sources, producer)
    before = len(run.history)
    with _named():
        program.start()
    note_blur(run, program)
    if ready_timeout:
        await_connected(run, producer.replica, since=before, timeout=float(ready_timeout))
    producer.stir()
    return producer


def _program(
    run: Run,
    target: Named,
    name: str,
    adoption: Adoption,
    env: Mapping[str, str | None],
    sent: str | Path | None,
    *,
    cwd: str | Path | None,
    args: Sequence[object],
    restart: str,
) -> Consumer:
    """Make the publisher's program, on a link of its own on which all that it publishes is adopted."""
    __tracebackhide__ = True
    started = on_engine(run, target, () if sent is None else (Path(sent),))
    return Consumer(
        started,
        name=name,
        links=[seen_by(started, address(run, name, adopt=adoption))],
        directory=run.directory,
        history=run.history,
        fork_guard=partial(fork_guard, run),
        env={"MQCHAOS_EFFECTS": None, **env},
        cwd=cwd,
        args=args,
        restart=restart,
        outage=run.outage,
        ends=True,
    )


def _enrol(run: Run, sources: Sources, producer: Producer) -> None:
    """Let a producer be one of those whose messages are the workload; the first chooses the faults' moments."""
    __tracebackhide__ = True
    first = not run.publications
    run.producers.append(producer)
    run.publications.append(producer)
    sources.resolve(last=True)
    if first:
        run.board.refuse_leftovers()
        run.injector.choose_moments(producer.size)


def _refuse_faults(run: Run) -> None:
    """Refuse what a producer rules out: choices among messages before they are sent, for its own are not known then;
    and a fault that would strike the test's own process.

    Raises:
        NoCanary: where that is the canary.
        UsageError, NotPossible: naming another.
    """
    __tracebackhide__ = True
    if any(armed.fault.kind == "canary" for armed in run.injector.armed):
        raise NoCanary(
            "canary(): it chooses among messages that are known before they are sent, those of mqchaos.publish(...); "
            "a producer's are not"
        )
    for armed in run.injector.armed:
        if (
            armed.fault.kind == "repeated_publish" and not armed.fired
        ):  # else mqchaos.publish(...) has some of them
            raise UsageError(
                f"{armed.fault}: it sends messages of mqchaos.publish(...) again; a producer's are the application's "
                "own, and none of them is sent twice by us"
            )
        run.inside.refuse(armed.fault, others=run.consumers or ("one that follows",))
    for service, stand in run.http.items():
        if stand.plan.fail is not None:
            refuse_transient(service)


@contextmanager
def _named() -> Iterator[None]:
    """Let an error of the program that is started name the call that the test made."""
    __tracebackhide__ = True
    try:
        yield
    except ChaosError as error:
        text = str(error)
        if not text.startswith(_CALL):
            raise
        raise type(error)(f"producer({text.removeprefix(_CALL)}") from error.__cause__


def _check(
    count: object, until: object, quiet: object, key: object, ready_timeout: object, sent: object = None
) -> None:
    __tracebackhide__ = True
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
        raise UsageError(f"producer(): count={count!r}: a whole number of messages, at least 1")
    if until not in ("exit", "quiet"):
        raise UsageError(f"producer(): until={until!r}: 'exit' or 'quiet'")
    seconds("producer()", "quiet", quiet, above=True)
    seconds("producer()", "ready_timeout", ready_timeout, words="0 for no waiting")
    if key is not None and not callable(key) and not (isinstance(key, str) and key):
        raise UsageError(f"producer(): key={key!r}: the name of a JSON field, or a function of the message")
    if sent is not None and not (isinstance(sent, str | Path) and str(sent)):
        raise UsageError(
            f"producer(): sent={sent!r}: a path, where it writes the id or key of each message it sent"
        )
