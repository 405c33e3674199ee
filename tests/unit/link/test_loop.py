"""The links' own thread."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator

import pytest

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.link import loop
from pytest_mqchaos.link.listener import listen
from pytest_mqchaos.link.loop import LoopThread, keep


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


def test_a_pause_that_came_too_late_holds_nobody_up(
    thread: LoopThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever gave up waiting for it has let it go."""
    monkeypatch.setattr(loop, "_PATIENCE", 0.05)
    held, free = threading.Event(), threading.Event()
    thread.soon(lambda: (held.set(), free.wait(10)))
    assert held.wait(10)
    with pytest.raises(ChaosError, match="did not stand still"), thread.paused():
        raise AssertionError("it was not to be held")
    monkeypatch.setattr(loop, "_PATIENCE", 60.0)
    free.set()
    thread.call(asyncio.sleep(0), timeout=10, what="a ping")


def test_what_is_open_ends_with_it() -> None:
    """A connection that was closed, and whose peer reads nothing of what was said to it, is no open socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = LoopThread()

        async def say() -> socket.socket:
            transport, _ = await thread.loop.create_connection(asyncio.Protocol, *listener.getsockname()[:2])
            keep(transport)
            own = transport.get_extra_info("socket")
            transport.write(bytes(50_000_000))
            transport.close()
            assert transport.get_write_buffer_size()
            return own

        own = thread.call(say(), timeout=5.0, what="a connection")
        thread.close()
        assert own.fileno() == -1


def test_what_is_accepted_when_the_thread_ends_is_closed() -> None:
    """A connection that nobody has begun when its loop ends is closed, and its client is told."""
    thread = LoopThread()
    own = socket.create_server(("127.0.0.1", 0))
    clients: list[socket.socket] = []

    async def connect() -> None:
        listen(own, asyncio.Protocol)
        clients.append(socket.create_connection(own.getsockname(), timeout=5.0))
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # now it is accepted, and what begins it runs behind us
        thread.loop.stop()

    thread.soon(thread.spawn, connect())
    thread._thread.join(5.0)  # it ends by itself
    with clients[0] as client:
        assert client.recv(1) == b""
    own.close()
