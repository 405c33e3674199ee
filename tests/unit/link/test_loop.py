"""The links' own thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from pytest_mqchaos.link.loop import LoopThread


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    """A loop of the test's own."""
    made = LoopThread()
    try:
        yield made
    finally:
        made.close()


def _niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_the_links_take_precedence_and_their_helpers_do_not(thread: LoopThread) -> None:
    """A strike is soon after its moment where the system permits; processes inherit nothing of that."""
    own = _niceness()

    async def look() -> tuple[int, int]:
        return _niceness(), await thread.blocking(_niceness)

    links, helpers = thread.call(look(), timeout=5, what="a look")
    assert helpers == own
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), own - 1)
    except PermissionError:
        assert links == own
    else:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), own)
        assert links < own
