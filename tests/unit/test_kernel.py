"""What Linux tells of processes and sockets, of this process and of one that stands still."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pytest_mqchaos import kernel

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")

NOBODY = 2**22 + 1
"""A number above those that Linux gives to processes."""


def test_a_process_and_its_threads() -> None:
    """Its state, its parent and its group; each thread has a state of its own."""
    go_on = threading.Event()
    waiting = threading.Thread(target=go_on.wait)
    waiting.start()
    own = kernel.stat(os.getpid())
    assert own is not None
    assert [int(each) for each in own[1:4]] == [os.getppid(), os.getpgrp(), os.getsid(0)]
    assert {threading.get_native_id(), waiting.native_id} <= set(kernel.threads(os.getpid()) or {})
    go_on.set()
    waiting.join()


def test_a_name_that_looks_like_a_state() -> None:
    """What a program calls itself is no field."""
    odd = "import sys; open('/proc/self/comm', 'w').write(') Z 1 1 ('); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", odd], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as named:
        assert named.stdout is not None
        named.stdout.readline()
        fields = kernel.stat(named.pid)
        assert fields is not None
        assert fields[0] not in kernel.ENDED
        assert int(fields[1]) == os.getpid()
        os.kill(named.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while (fields := kernel.stat(named.pid)) is None or fields[0] not in kernel.ENDED:
            assert time.monotonic() < deadline


def test_what_is_not_there() -> None:
    """A process that is gone has neither a state nor threads, descriptors or sockets."""
    assert kernel.stat(NOBODY) is kernel.threads(NOBODY) is kernel.tcp(NOBODY) is None
    assert list(kernel.descriptors(NOBODY)) == []
    assert kernel.read("/proc/self") is kernel.read("/nowhere") is None


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_sockets(host: str) -> None:
    """A listener and both ends of a connection, each with the descriptor that leads to it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"this machine has no {host}")
    port = listener.getsockname()[1]
    with listener, socket.create_connection((host, port)) as client, listener.accept()[0]:
        rows = kernel.tcp(os.getpid())
        assert rows is not None
        assert [one.link for one in rows if one.listens and one.port == port] == [_link(listener)]
        ends = [one.link for one in rows if one.connects and one.port == client.getsockname()[1]]
        assert ends == [_link(client)]
        assert {_link(listener), _link(client)} <= {target for _, target in kernel.descriptors(os.getpid())}
        assert {_link(listener), _link(client)} <= {one.link for one in kernel.tcp() or ()}


def _link(one: socket.socket) -> str:
    return os.readlink(f"/proc/self/fd/{one.fileno()}")  # noqa: PTH115 - it is no path
