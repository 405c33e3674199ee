"""What a canary loses and doubles: chosen by the seed, among messages whose effect would be missed."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from types import SimpleNamespace

import pytest

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.striking.injector import Injector
from pytest_mqchaos.experiment.workload.planting import Planting
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.model.faults import canary, connection_drop
from pytest_mqchaos.model.history import History
from pytest_mqchaos.model.messages import Message


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    """The links' thread."""
    made = LoopThread()
    yield made
    made.close()


def planting(thread: LoopThread, *messages: Message, seed: int = 1, fault: object = None) -> Planting:
    """Return the planting of a run with these messages."""
    history = History("k3f9")
    for one in messages:
        history.plan(one)
    injector = Injector(history, thread, lambda: None, Random(seed))
    injector.arm(fault or canary(), by_hand=False)  # type: ignore[arg-type]
    return Planting(history, injector, SimpleNamespace(doubled="", single=""), seed)  # type: ignore[arg-type]


def messages(count: int, **fields: object) -> list[Message]:
    """Return messages, good and each of one effect unless `fields` say otherwise."""
    known: dict[str, object] = {"body": b"", "queue": "orders"} | fields
    return [
        Message(id=f"orders-k3f9-{n:06d}", number=n, digest=str(n), **known)  # type: ignore[arg-type]
        for n in range(1, count + 1)
    ]


def test_two_of_the_first_half(thread: LoopThread) -> None:
    """Two messages, never the same; the same seed chooses the same ones."""
    seen = set()
    for seed in range(40):
        made = planting(thread, *messages(20), seed=seed)
        made.choose()
        (armed,) = made._injector.armed
        assert armed.trigger is not None
        lost, doubled = armed.trigger.message, int(made.planted.doubled[-6:])
        assert lost != doubled
        assert {lost, doubled} <= set(range(1, 11))
        again = planting(thread, *messages(20), seed=seed)
        again.choose()
        assert again.planted == made.planted
        seen.add((lost, doubled))
    assert len(seen) > 10


def test_only_what_would_be_missed(thread: LoopThread) -> None:
    """Not poison, nothing without an effect, nothing whose key another one has."""
    poison, silent, shared = (
        messages(1, **more)[0] for more in ({"poison": True}, {"expect": 0}, {"key_shared": True})
    )
    unfit = [
        Message(id=f"{one.id}{n}", number=n, body=b"", digest="", poison=one.poison, expect=one.expect,
                key_shared=one.key_shared)
        for n, one in enumerate((poison, silent, shared), 100)
    ]  # fmt: skip
    made = planting(thread, *unfit, *messages(2))
    made.choose()
    (armed,) = made._injector.armed
    assert armed.trigger is not None
    assert {armed.trigger.message, int(made.planted.doubled[-6:]) + 3} == {4, 5}
    none = planting(thread, *unfit)
    with pytest.raises(ChaosError, match="no message of the workload is to have an effect"):
        none.choose()


def test_one_message_is_lost_and_none_doubled(thread: LoopThread) -> None:
    """There is no other one."""
    made = planting(thread, *messages(1))
    made.choose()
    assert made.planted.doubled == ""


def test_without_a_canary_nothing_is_planted(thread: LoopThread) -> None:
    """Other scenarios are left alone."""
    made = planting(thread, *messages(5), fault=connection_drop())
    made.choose()
    assert (made.lost, made.planted.doubled) == ("", "")


def test_what_was_lost_is_not_waited_for(thread: LoopThread) -> None:
    """Once it has struck: before that the message may still have its effect."""
    made = planting(thread, *messages(5))
    made.choose()
    assert made.lost == ""
    (armed,) = made._injector.armed
    armed.fired = True
    assert armed.trigger is not None
    assert made.lost == f"orders-k3f9-{armed.trigger.message:06d}"
