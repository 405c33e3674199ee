"""Standing in for a service: what a test says of it, checked, before any consumer is started."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_mqchaos.errors import ChaosError, NotPossible, UsageError
from pytest_mqchaos.experiment.effects.http import Http, Plan, Stand, many
from pytest_mqchaos.experiment.workload.plan import Publication
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import now
from pytest_mqchaos.model.transient import Transient
from pytest_mqchaos.model.waits import are_seconds

if TYPE_CHECKING:
    from pytest_mqchaos.experiment.run import Run

__all__ = ["check_calls", "refuse_transient", "serve"]

_DONE = b'{"ok": true}'
_LEAST, _MOST = 200, 599


def serve(
    run: Run,
    *,
    key: object,
    status: object,
    delay: object,
    fail: object,
    name: object,
    body: object,
    idempotency: object,
) -> Http:
    """Stand in for a service from now on; see `Chaos.http`."""
    __tracebackhide__ = True
    if not isinstance(name, str) or not re.fullmatch(r"[\w.+-]+", name):
        raise UsageError(f"http(name={name!r}): letters, digits and _ . + - only")
    if any(isinstance(event, facts.SourceNamed) and event.source == name for event in run.history.snapshot()):
        raise UsageError(f"http(name={name!r}): the name is taken by another source of effects of this test")
    if run.consumers:
        raise ChaosError(
            f"http({name!r}) comes too late: {run.consumers[0].name} was started without its address; call "
            "mqchaos.http(...) before mqchaos.consumer(...)"
        )
    plan = Plan(
        name=name,
        key=_key(key),
        status=_status(status),
        body=_body(body),
        delay=_delay(delay),
        fail=_fail(fail),
        idempotency=_idempotency(idempotency),
        seed=run.test.seed,
    )
    stand = Stand(plan, history=run.history, thread=run.thread, board=run.board, calls=run.injector.calls)
    if plan.fail is not None and run.producers:
        refuse_transient(name)
    for publication in run.publications:
        if isinstance(publication, Publication):
            stand.choose(publication.ids)
    run.board.add_teller()
    run.history.append(facts.SourceNamed(at=now(), source=name, kind="http"))
    run.http[name] = stand
    return Http(stand, run.history)


def refuse_transient(service: str) -> None:
    """Refuse failures of chosen messages where a producer sends them: nobody knows them beforehand.

    Raises:
        NotPossible: saying so.
    """
    __tracebackhide__ = True
    raise NotPossible(
        f"http({service!r}, fail=transient(...)): it chooses among messages that are known before they are sent, "
        "those of mqchaos.publish(...); a producer's are not"
    )


def check_calls(run: Run) -> None:
    """Raise if every request that said a name, or had a body, was of no message of the run.

    Raises:
        ChaosError: with the key and what came instead.
    """
    __tracebackhide__ = True
    for name, stand in run.http.items():
        if stand.misnamed and not stand.seen and stand.raised.count:
            raise ChaosError(
                f"http({name!r}): {stand.raised.said(len(stand.strangers), 'request')} (the first: "
                f"{stand.misnamed[0]}); it gets the request, and has to find the id or key of the message, as "
                "publish(key=...) names it"
            )
        if stand.misnamed and not stand.seen:
            key = getattr(stand.plan.key, "__name__", "a function")
            written = repr(stand.plan.key) if isinstance(stand.plan.key, str) else key
            came = many(len(stand.misnamed), "request")
            raise ChaosError(
                f"http({name!r}): {came} came, and key={written} found a message of this run in none of "
                f"them: {stand.misnamed[0]}; it has to find the id or key of the message, as "
                "publish(key=...) names it"
            )


def _key(value: object) -> str | Callable[[object], object]:
    __tracebackhide__ = True
    if callable(value) or (isinstance(value, str) and value):
        return value
    raise UsageError(
        f"http(key={value!r}): the name of a JSON field of the body, or a function of the request"
    )


def _status(value: object) -> int:
    __tracebackhide__ = True
    if isinstance(value, bool) or not isinstance(value, int) or not _LEAST <= value <= _MOST:
        raise UsageError(f"http(status={value!r}): a status of an answer, {_LEAST} to {_MOST}")
    return int(value)


def _delay(value: object) -> float:
    __tracebackhide__ = True
    if not are_seconds(value):
        raise UsageError(f"http(delay={value!r}): seconds, 0 or more")
    return float(value)


def _fail(value: object) -> Transient | None:
    __tracebackhide__ = True
    if value is None or isinstance(value, Transient):
        return value
    hint = (
        ": forgotten parentheses: write transient(2)"
        if callable(value)
        else ": such as transient(2, share=0.1)"
    )
    raise UsageError(f"http(fail={getattr(value, '__name__', repr(value))}){hint}")


def _body(value: object) -> bytes:
    __tracebackhide__ = True
    if value is None:
        return _DONE
    if isinstance(value, bytes | str):
        return value.encode() if isinstance(value, str) else value
    try:
        return json.dumps(value).encode()
    except (TypeError, ValueError) as error:
        raise UsageError(f"http(body=...): bytes, text, or what JSON can say: {error}") from None


def _idempotency(value: object) -> str | None:
    __tracebackhide__ = True
    if value is None or (isinstance(value, str) and value):
        return value
    raise UsageError(f"http(idempotency={value!r}): the name of a header, or None")
