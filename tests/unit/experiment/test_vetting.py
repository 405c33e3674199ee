"""Queues of others are looked at before they are used, and a link that touches them is cut."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.consumers.vetting import Vetting
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.declared import Declared

PLACE = {"at": 1, "link": "worker", "connection": 7, "channel": 1}


class Bench:
    """A vetting with a relay and an injector that write down what happens to them."""

    def __init__(self, thread: LoopThread, holds: dict[str, int] | None) -> None:
        self.log: list[str] = []
        self.begun = False
        self.declared = Declared()
        self.relay: Any = SimpleNamespace(cause=None, close=lambda by, reset: self.log.append(f"cut by {by}"))
        self.held: Any = SimpleNamespace(take=lambda: self.log.append("taken"))
        self.thread = thread
        inner: Any = SimpleNamespace(match=lambda relay, found: None)
        self.vetting = Vetting(
            inner,
            thread=thread,
            declared=self.declared,
            holds=None if holds is None else lambda queue: holds.get(queue, 0),
            begun=lambda: self.begun,
        )

    def see(self, *found: Any) -> list[str]:
        """Let the wire see facts; return what was done about them."""
        self.log.clear()
        strike = self.vetting.match(self.relay, found)
        if strike is not None:
            asyncio.run_coroutine_threadsafe(strike(self.held), self.thread.loop).result(5)
        return list(self.log)


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    """The links' thread."""
    own = LoopThread()
    yield own
    own.close()


def test_a_queue_that_is_empty(thread: LoopThread) -> None:
    """It passes, and is known from then on."""
    bench = Bench(thread, {})
    fact = facts.Subscribed(queue="orders", consumer_tag="c", **PLACE)
    assert bench.see(fact) == []
    assert bench.vetting.match(bench.relay, [fact]) is None
    bench.vetting.admit("orders")


@pytest.mark.parametrize(
    "fact",
    [
        facts.QueueDeclared(queue="orders", **PLACE),
        facts.Subscribed(queue="orders", consumer_tag="c", **PLACE),
        facts.Polled(queue="orders", **PLACE),
    ],
    ids=lambda fact: type(fact).__name__,
)
def test_a_queue_that_holds_messages(thread: LoopThread, fact: Any) -> None:
    """However it is touched, its frame dies, the link is cut, and the run says why."""
    bench = Bench(thread, {"orders": 3})
    assert bench.see(fact) == ["taken", "cut by fault"]
    with pytest.raises(ChaosError, match=r"the queue 'orders' holds 3 messages from before the test"):
        bench.vetting.check()


def test_a_test_that_names_it(thread: LoopThread) -> None:
    """Is refused at once."""
    with pytest.raises(ChaosError, match=r"holds 1 message from before"):
        Bench(thread, {"orders": 1}).vetting.admit("orders")


def test_a_foreign_message_before_ours(thread: LoopThread) -> None:
    """Was there before, though the queue is empty by now; later ones may be the application's own."""
    foreign = facts.Delivered(message=None, tag=1, queue="orders", **PLACE)
    bench = Bench(thread, {})
    bench.begun = True
    assert bench.see(foreign) == []
    bench.begun = False
    assert bench.see(foreign) == ["taken", "cut by fault"]


def test_names_that_are_not_ours(thread: LoopThread) -> None:
    """By prefix no queue is asked; but who leaves the run's names is cut."""
    bench = Bench(thread, None)
    fact = facts.Subscribed(queue="orders", consumer_tag="c", **PLACE)
    assert bench.see(fact) == []
    bench.declared.breach = "worker reads 'orders'"
    assert bench.see(fact) == ["taken", "cut by fault"]
