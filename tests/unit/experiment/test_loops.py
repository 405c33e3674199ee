"""The event loops of the test's thread, and what is done aside while one of them runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pytest_mqchaos.errors import ChaosError, UsageError
from pytest_mqchaos.experiment.consumers.loops import Loops

TIMEOUT = 10.0


class Board:
    """Who reads the test's own sources now."""

    reader: Callable[[Callable[[], Any]], Any] | None = None

    def read_by(self, reader: Callable[[Callable[[], Any]], Any] | None) -> None:
        """Take a reader."""
        self.reader = reader


async def noted(loops: Loops) -> asyncio.AbstractEventLoop | None:
    """Note the loop that runs this."""
    return loops.note()


def test_without_a_loop() -> None:
    """A test of plain functions has no loop that could stand still."""
    loops = Loops()
    assert loops.note() is None
    assert not loops.stopped
    assert loops.resumable is None
    loops.refuse("settle()", "await mqchaos.asettle()")


def test_a_loop_stops_with_what_it_ran() -> None:
    """It runs while it is noted; closed it can run no more, open it can."""
    loops = Loops()
    loop = asyncio.new_event_loop()

    async def look() -> bool:
        loops.note()
        loops.note()
        return loops.stopped

    assert loop.run_until_complete(look()) is False
    assert loops.stopped
    assert loops.resumable is loop
    loop.close()
    assert loops.stopped
    assert loops.resumable is None


def test_loops_of_other_threads_are_none_of_the_test() -> None:
    """A consumer in a thread may have a loop there, which comes and goes as it likes."""
    loops = Loops()
    thread = threading.Thread(target=lambda: asyncio.run(noted(loops)))
    thread.start()
    thread.join(TIMEOUT)
    assert not loops.stopped


def test_an_asynchronous_test_has_a_loop_though_nobody_saw_it() -> None:
    """That of a plugin, which ran the test's function and does so no more."""
    assert Loops(asynchronous=True).stopped


def test_a_call_that_waits_is_refused_on_a_loop() -> None:
    """It names what to write instead."""
    loops = Loops()

    async def settle() -> None:
        loops.refuse("settle()", "await mqchaos.asettle()")

    with pytest.raises(
        UsageError, match=r"^settle\(\): an event loop runs.*write await mqchaos\.asettle\(\)$"
    ):
        asyncio.run(settle())


def test_aside_the_loop_goes_on() -> None:
    """What waits does so in a thread of ours, for a task of the loop; what it reads is read in the loop's thread."""
    loops, board = Loops(), Board()
    worked = threading.Event()
    callers = []

    def work() -> str:
        assert worked.wait(TIMEOUT)
        assert board.reader is not None
        callers.append(board.reader(threading.get_ident))
        callers.append(threading.get_ident())
        return "account"

    async def test() -> str:
        asyncio.get_running_loop().call_later(0.01, worked.set)
        return await loops.aside(work, board.read_by)

    assert asyncio.run(test()) == "account"
    assert callers[0] == threading.get_ident() != callers[1]
    assert board.reader is None


def test_what_is_raised_aside_is_raised() -> None:
    """By the work, and by what the work reads."""
    loops, board = Loops(), Board()

    def fail() -> None:
        raise ChaosError("no consumer")

    def work() -> None:
        assert board.reader is not None
        board.reader(fail)

    for broken in (fail, work):
        with pytest.raises(ChaosError, match="no consumer"):
            asyncio.run(loops.aside(broken, board.read_by))


def test_what_nobody_waits_for_any_more_ends() -> None:
    """Cancelled, the work is told at its next look, its thread ends, and it may be done again."""
    loops, board = Loops(), Board()
    told = []

    def work() -> None:
        try:
            while not loops.given_up.wait(TIMEOUT):
                pytest.fail("not told")
            loops.check()
        except ChaosError as error:
            told.append(str(error))
            raise

    async def test() -> None:
        async with asyncio.timeout(0.01):
            await loops.aside(work, board.read_by)

    with pytest.raises(TimeoutError):
        asyncio.run(test())
    assert told == ["settling was given up: what awaited it was cancelled"]
    assert asyncio.run(loops.aside(lambda: "again", board.read_by)) == "again"


def test_a_reading_that_nobody_waits_for_ends() -> None:
    """Also where the loop's thread does not come to it, since it waits for the end of the work."""
    loops, board = Loops(), Board()
    begun = threading.Event()

    def work() -> None:
        assert board.reader is not None
        begun.set()
        assert loops.given_up.wait(TIMEOUT)
        board.reader(lambda: pytest.fail("called though given up"))

    async def test() -> None:
        waiting = asyncio.ensure_future(loops.aside(work, board.read_by))
        assert await asyncio.to_thread(begun.wait, TIMEOUT)
        waiting.cancel()
        await waiting

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(test())


def test_without_a_running_loop_nothing_is_done_aside() -> None:
    """Whoever drives it otherwise is told."""
    with pytest.raises(UsageError, match="none runs in this thread"):
        Loops().aside(lambda: None, Board().read_by).send(None)


def test_a_loop_that_stands_is_run_on_with_its_tasks() -> None:
    """What a task of it still has to do is done while it is waited for."""
    loops, board = Loops(), Board()
    loop = asyncio.new_event_loop()
    worked = threading.Event()

    async def consumer() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        worked.set()

    async def test() -> None:
        loops.note()
        asyncio.ensure_future(consumer())  # noqa: RUF006 - nobody else holds it

    loop.run_until_complete(test())
    assert loops.resumable is loop
    assert loops.run_on(loop, lambda: worked.wait(TIMEOUT), board.read_by)
    loop.close()
