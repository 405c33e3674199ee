"""Sweeps: each fault at each moment, and one line for what cannot be swept."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model.faults import (
    baseline,
    broker_restart,
    combine,
    connection_drop,
    consumer_crash,
    malformed_payload,
    refuse,
    sweep,
)
from pytest_mqchaos.model.triggers import ack, delivery, effect, seconds


def written(*kinds: Any, **options: Any) -> list[str]:
    """Return what a sweep is, as a user would write it."""
    return [str(one) for one in sweep(*kinds, **options)]


def test_the_first_of_one_event() -> None:
    """A number says how many, from the first on."""
    assert written(consumer_crash, after=ack, n=3) == [
        "consumer_crash(after=ack(1))",
        "consumer_crash(after=ack(2))",
        "consumer_crash(after=ack(3))",
    ]
    assert len(sweep(consumer_crash, before=ack)) == 10


def test_several_faults_and_events() -> None:
    """Fault by fault, before and after, event by event."""
    assert written(connection_drop, broker_restart, before=[effect], after=(delivery, ack), n=[4]) == [
        "connection_drop(before=effect(4))",
        "connection_drop(after=delivery(4))",
        "connection_drop(after=ack(4))",
        "broker_restart(before=effect(4))",
        "broker_restart(after=delivery(4))",
        "broker_restart(after=ack(4))",
    ]


def test_which_moments_and_what_else() -> None:
    """Any numbers, or times; the rest goes to each fault."""
    assert written(refuse, after=delivery, n=range(10, 30, 10), duration=0.5) == [
        "refuse(after=delivery(10), duration=0.5)",
        "refuse(after=delivery(20), duration=0.5)",
    ]
    assert written(consumer_crash, after=seconds, n=(0.1, 0.25)) == [
        "consumer_crash(after=seconds(0.1))",
        "consumer_crash(after=seconds(0.25))",
    ]


def test_each_has_an_id_of_its_own() -> None:
    """A failing one is named by its moment."""
    found = sweep(consumer_crash, connection_drop, before=ack, after=(ack, delivery), n=7)
    assert len({one.id for one in found}) == len(found) == 42


_LIKE = "sweep(consumer_crash, after=(delivery, ack), n=20)"


@pytest.mark.parametrize(
    ("kinds", "options", "why"),
    [
        ((), {"after": ack}, f"name a fault and the events: {_LIKE}"),
        ((consumer_crash,), {}, f"before= or after= which events? {_LIKE}"),
        ((consumer_crash,), {"after": ()}, f"before= or after= which events? {_LIKE}"),
        ((consumer_crash(),), {"after": ack}, f"consumer_crash(): without its parentheses and its moment: {_LIKE}"),
        ((baseline(),), {"after": ack}, f"baseline: without its parentheses and its moment: {_LIKE}"),
        ((baseline,), {"after": ack}, "baseline strikes at no moment that could be swept"),
        ((combine,), {"after": ack}, "combine strikes at no moment that could be swept"),
        ((malformed_payload,), {"after": ack}, "malformed_payload strikes at no moment that could be swept"),
        (("refuse",), {"after": ack}, f"'refuse' is not a fault: {_LIKE}"),
        ((print,), {"after": ack}, f"<built-in function print> is not a fault: {_LIKE}"),
        (
            (refuse,),
            {"after": ack(3)},
            "after=ack(3): without its parentheses, after=ack; how many of them is n=",
        ),
        (
            (refuse,),
            {"before": (delivery, ack(3))},
            "before=ack(3): without its parentheses, before=ack; how many of them is n=",
        ),
        ((refuse,), {"after": "ack"}, f"after='ack': an event, as in {_LIKE}"),
        ((refuse,), {"after": refuse}, f"after={refuse!r}: an event, as in {_LIKE}"),
        ((refuse,), {"after": ack, "n": 0}, "n=0: no moment at all"),
        ((refuse,), {"after": ack, "n": range(0)}, "n=range(0, 0): no moment at all"),
        ((refuse,), {"after": ack, "n": "3"}, "n='3': how many moments, or which: n=20, n=range(10, 100, 10)"),
        ((refuse,), {"after": ack, "n": True}, "n=True: how many moments, or which: n=20, n=range(10, 100, 10)"),
        ((refuse,), {"after": ack, "name": "x"}, "name=: each moment has an id of its own"),
    ],
)  # fmt: skip
def test_what_cannot_be_swept(kinds: tuple[Any, ...], options: dict[str, Any], why: str) -> None:
    """It is one line that says what would do."""
    with pytest.raises(UsageError) as caught:
        sweep(*kinds, **options)
    assert str(caught.value) == f"sweep(): {why}"


def test_what_the_fault_itself_refuses() -> None:
    """A moment or an argument that a fault does not take is said in its own words."""
    with pytest.raises(UsageError, match=r"ack\(n=0\): events are counted from 1"):
        sweep(refuse, after=ack, n=[0])
    with pytest.raises(UsageError, match=r"refuse\(\): duration=-1"):
        sweep(refuse, after=ack, duration=-1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'durration'"):
        sweep(refuse, after=ack, durration=1)
