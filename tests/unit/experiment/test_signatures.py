"""The fixture's calls are those of the public contract, as an editor and `inspect` see them."""

from __future__ import annotations

import inspect
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_mqchaos import Chaos, UsageError, delivery, seconds
from pytest_mqchaos.experiment.consumers.starting import start_consumer
from pytest_mqchaos.experiment.striking.by_hand import ByHand
from pytest_mqchaos.experiment.verdict.accounts import Accounts
from pytest_mqchaos.experiment.workload import producing

CONTRACT = (
    "consumer(target, *, name=None, replicas=1, env=None, cwd=None, args=(), restart='on-fault', restart_delay=0.0, "
    "ready_timeout=15.0, queues=None)",
    "producer(target)",
    "link(name='in-process')",
    "queue(name, *, durable=True, arguments=None, dead_letter=None, exchange=None, routing_key=None)",
    "exchange(name, type='direct')",
    "publish(queue=None, count=100, *, body=None, key=None, exchange='', routing_key=None, headers=None, "
    "properties=None, persistent=True, confirm=True, mandatory=True, rate=None, arrivals=None, expect=1)",
    "effects(source, *, key=None)",
    "dead_letters(queue)",
    "inject(fault)",
    "wait(trigger, timeout=15.0)",
    "settle(timeout=None)",
    "verify(guarantee=None)",
)
"""The public contract's table of calls, without what each of them does."""
CALLS = {
    name: inspect.signature(value)
    for name, value in vars(Chaos).items()
    if inspect.isfunction(value) and not name.startswith("_")
}


@pytest.mark.parametrize("spelled", CONTRACT, ids=lambda spelled: spelled.partition("(")[0])
def test_a_call_of_the_contract(spelled: str) -> None:
    """It takes what the contract says, in that order and with those defaults; what came later has a default too."""
    name = spelled.partition("(")[0]
    scope: dict[str, Any] = {}
    exec(f"def {spelled}: ...", scope)
    promised = dict(inspect.signature(scope[name]).parameters)
    _, *real = CALLS[name].parameters.values()
    for one, wanted in zip(real, promised.values(), strict=False):
        if wanted.kind is not inspect.Parameter.KEYWORD_ONLY:
            assert (one.name, one.kind) == (wanted.name, wanted.kind)
    found = {one.name: one for one in real}
    for wanted in promised.values():
        one = found.pop(wanted.name)
        assert one.kind == wanted.kind
        assert wanted.default in (one.default, inspect.Parameter.empty)
    for added in found.values():
        assert added.kind is inspect.Parameter.KEYWORD_ONLY
        assert added.default is not inspect.Parameter.empty


@pytest.mark.parametrize("name", CALLS)
def test_every_argument_has_a_name_and_a_type(name: str) -> None:
    """No call hides its arguments behind `**options`, so that an editor completes them and a typo is an error."""
    _, *real = CALLS[name].parameters.values()
    for one in real:
        assert one.kind not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
        assert one.annotation is not inspect.Parameter.empty


@pytest.mark.parametrize("typo", ["coutn", "seed", "first_number"])
def test_a_typo(typo: str) -> None:
    """What `publish` does not take is Python's own TypeError, which names the call that was written."""
    chaos: Any = Chaos.__new__(Chaos)
    with pytest.raises(TypeError, match=rf"^Chaos\.publish\(\) got an unexpected keyword argument '{typo}'"):
        chaos.publish("orders", **{typo: 3})


@pytest.mark.parametrize("timeout", [-1, "x", float("nan"), float("inf"), True, None])
def test_a_wrong_timeout_of_wait(timeout: Any) -> None:
    """It is one line that names the call and the value."""
    run: Any = SimpleNamespace()
    for trigger in (delivery(3), seconds(1.0)):
        with pytest.raises(UsageError) as caught:
            ByHand(run).wait(trigger, timeout)
        assert str(caught.value) == f"wait({trigger}): timeout={timeout!r}: seconds, 0 or more"


@pytest.mark.parametrize("timeout", [-1, 0, "x", float("nan"), float("inf"), True])
def test_a_wrong_timeout_of_settle(timeout: Any) -> None:
    """The same holds where it is waited for that the run settles, and nothing is waited for."""
    run: Any = SimpleNamespace()
    work: Any = SimpleNamespace()
    with pytest.raises(UsageError) as caught:
        Accounts(run, work).settled(timeout)
    assert str(caught.value) == f"settle(): timeout={timeout!r}: seconds, above 0"


@pytest.mark.parametrize("value", [-1, "x", float("nan"), float("inf"), True, None])
@pytest.mark.parametrize(
    ("call", "name", "words"),
    [
        ("consumer", "ready_timeout", "above 0"),
        ("consumer", "holds", "0 or more"),
        ("producer", "ready_timeout", "0 for no waiting"),
        ("producer", "quiet", "above 0"),
    ],
)
def test_wrong_seconds_of_what_is_started(call: str, name: str, words: str, value: Any) -> None:
    """Nothing is started, and the value is named: the same is no number of seconds in every call."""
    given: dict[str, Any] = {"consumer": _CONSUMER, "producer": _PRODUCER}[call] | {name: value}
    nothing: Any = SimpleNamespace()
    started = partial(start_consumer, nothing, nothing, ["true"]) if call == "consumer" else producing._check
    with pytest.raises(UsageError) as caught:
        started(**given)
    assert str(caught.value) == f"{call}(): {name}={value!r}: seconds, {words}"


_CONSUMER: dict[str, Any] = {
    "name": None, "replicas": 1, "ready_timeout": 15.0, "queues": None, "tls": False, "ttl_scale": 1.0, "holds": 0.0,
}  # fmt: skip
_PRODUCER: dict[str, Any] = {"count": None, "until": "exit", "quiet": 1.0, "key": None, "ready_timeout": 0.0}
