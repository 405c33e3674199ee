"""Consumers on links that lead nowhere: what is under test are processes."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_mqchaos.consumers import proc
from pytest_mqchaos.consumers.consumer import Consumer, LinkAddress
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import History

PATIENCE = 20.0


def address(name: str = "worker") -> LinkAddress:
    """Return the address of a link that nobody listens at."""
    return LinkAddress(
        name=name,
        url="amqp://user:secret@127.0.0.1:9/a%2Fb",
        host="127.0.0.1",
        port=9,
        user="user",
        password="secret",
        vhost="a/b",
    )


class Bench:
    """Starts consumers, waits for facts about them, and sees to it that nothing is left."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.history = History("abcd")
        self.consumers: list[Consumer] = []

    def consumer(
        self, target: object, *, name: str = "worker", replicas: int = 1, **options: object
    ) -> Consumer:
        """Return a consumer that was not started."""
        names = [name if i == 0 else f"{name}#{i + 1}" for i in range(replicas)]
        made = Consumer(
            target,  # type: ignore[arg-type]
            name=name,
            links=[address(link) for link in names],
            directory=self.directory,
            history=self.history,
            fork_guard=options.pop("fork_guard", contextlib.nullcontext),  # type: ignore[arg-type]
            **options,  # type: ignore[arg-type]
        )
        self.consumers.append(made)
        return made

    def start(self, target: object, **options: object) -> Consumer:
        """Return a consumer that runs."""
        made = self.consumer(target, **options)  # type: ignore[arg-type]
        made.start()
        return made

    def shell(self, script: str, **options: object) -> Consumer:
        """Return a running shell script."""
        return self.start(["sh", "-c", script], **options)

    def of(self, kind: type[facts.Event]) -> list[facts.Event]:
        """Return the events of a kind so far."""
        return [event for event in self.history.snapshot() if isinstance(event, kind)]

    def await_events(self, kind: type[facts.Event], count: int = 1) -> list[facts.Event]:
        """Wait until there are as many events of a kind."""
        with self.history.changed:
            there = self.history.changed.wait_for(lambda: len(self.of(kind)) >= count, PATIENCE)
        assert there, f"no {count} {kind.__name__} in {PATIENCE} s, but {self.history.snapshot()}"
        return self.of(kind)

    def await_output(self, consumer: Consumer, text: str, count: int = 1) -> str:
        """Wait until a consumer has written a text as many times."""
        self.until(lambda: consumer.output.count(text) >= count, lambda: f"{text!r} in {consumer.output!r}")
        return consumer.output

    @staticmethod
    def until(fact: Callable[[], object], last: Callable[[], str]) -> None:
        """Poll a fact that nothing announces, and fail with the last state seen."""
        deadline = time.monotonic() + PATIENCE
        pause = threading.Event()
        while not fact():
            assert time.monotonic() < deadline, f"not within {PATIENCE} s: {last()}"
            pause.wait(0.002)

    def end(self) -> None:
        """End all, and fail if any process of any of their groups is left."""
        groups = [p.pid for c in self.consumers for r in c.replicas for p in r.processes]
        for consumer in self.consumers:
            consumer.end_all(0.0)
        left = [stat for stat in proc.snapshot() if stat.group in groups]
        assert not left


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A bench whose consumers are gone when the test is over."""
    made = Bench(tmp_path / "run")
    made.directory.mkdir()
    yield made
    made.end()
