"""What is to come at a time comes, and no time passes while the schedule is paused."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from pytest_mqchaos.experiment.striking.schedule import Schedule
from pytest_mqchaos.link.loop import LoopThread

TIMEOUT = 5.0


class Clock:
    """A schedule on a thread of its own, and what has come."""

    def __init__(self) -> None:
        self.thread = LoopThread()
        self.schedule = Schedule(self.thread.loop)
        self.came: list[tuple[str, float]] = []
        self.began = time.monotonic()

    def do(self, call: Callable[..., object], *arguments: object) -> None:
        """Call on the thread, and wait for it."""

        async def work() -> None:
            call(*arguments)

        self.thread.call(work(), timeout=TIMEOUT, what="a call")

    def at(self, seconds: float, name: str) -> None:
        """Let something come."""
        self.do(self.schedule.after, seconds, self._come, name)

    def _come(self, name: str) -> None:
        self.came.append((name, time.monotonic() - self.began))

    def await_all(self, count: int) -> None:
        """Wait until so much has come."""
        deadline = time.monotonic() + TIMEOUT
        while len(self.came) < count:
            assert time.monotonic() < deadline, self.came
            time.sleep(0.001)


@pytest.fixture
def clock() -> Iterator[Clock]:
    """A schedule that has just begun."""
    made = Clock()
    try:
        yield made
    finally:
        made.thread.close()


def test_what_is_scheduled_comes_in_time(clock: Clock) -> None:
    """In the order of its times; what is late comes at once."""
    clock.at(0.1, "second")
    clock.at(0.05, "first")
    clock.at(-1.0, "late")
    clock.await_all(3)
    assert [name for name, _ in clock.came] == ["late", "first", "second"]
    assert clock.came[1][1] >= 0.05
    assert clock.came[2][1] >= 0.1


def test_no_time_passes_while_it_is_paused(clock: Clock) -> None:
    """What was to come then comes when it goes on, after what was left of its time."""
    clock.at(0.1, "one")
    clock.do(clock.schedule.pause)
    clock.do(clock.schedule.pause)  # a debugger within a debugger
    time.sleep(0.2)
    assert clock.came == []
    clock.do(clock.schedule.resume)
    clock.do(clock.schedule.resume)
    clock.await_all(1)
    time.sleep(0.05)
    assert [name for name, _ in clock.came] == ["one"]
    assert clock.came[0][1] >= 0.25


def test_what_is_scheduled_while_it_is_paused_waits_too(clock: Clock) -> None:
    """Its time begins when it goes on."""
    clock.do(clock.schedule.pause)
    clock.at(0.0, "now")
    time.sleep(0.05)
    assert clock.came == []
    clock.do(clock.schedule.resume)
    clock.await_all(1)
    clock.at(0.0, "again")
    clock.await_all(2)
