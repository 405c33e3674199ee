"""A client that is stopped by the kernel in the moment it sends."""

from __future__ import annotations

import asyncio
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted import Stage, delivery, do, relay_of

from pytest_mqchaos.consumers.process import Process
from pytest_mqchaos.link.tripwire import Tripwire
from pytest_mqchaos.model import events as facts

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's help is Linux's")

CLIENT = """
import socket, sys
own = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
own.recv(1)
for number in range(1000):
    own.sendall(b"%03d\\n" % number)
    print(number, flush=True)
"""
TIMEOUT = 5.0


class Client:
    """A process that, once told, sends numbers as fast as it can, and says which it has sent."""

    def __init__(self, said: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener, said.open("wb") as output:
            command = [sys.executable, "-c", CLIENT, str(listener.getsockname()[1])]
            self.popen = subprocess.Popen(command, process_group=0, stdout=output)
            listener.settimeout(TIMEOUT)
            self.own, _ = listener.accept()
            self.own.settimeout(TIMEOUT)
        self.process = Process(self.popen.pid)
        self._said = said

    def go(self) -> None:
        """Let it begin."""
        self.own.sendall(b"!")

    def said(self) -> int:
        """How many numbers it says it has sent."""
        return len(self._said.read_text().splitlines())

    def await_stopped(self) -> None:
        """Wait until the kernel says that it stands."""
        self.process.wait_stopped(TIMEOUT)

    def close(self) -> None:
        """End it."""
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()
        self.own.close()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A client that waits to be told."""
    made = Client(tmp_path / "said")
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that the test runs as far as it wants."""
    made = asyncio.new_event_loop()
    try:
        yield made
    finally:
        made.close()


def test_it_does_not_come_out_of_send(client: Client, loop: asyncio.AbstractEventLoop) -> None:
    """However late the wire reads, the client has sent one number more and has not got to say so."""
    wire = Tripwire(client.own, client.process, loop=loop)
    wire.set()
    client.go()
    poll = select.poll()  # a read that waits would keep the kernel from signalling
    poll.register(client.own, select.POLLIN)
    for _ in range(20):
        assert poll.poll(TIMEOUT * 1000)
        data = client.own.recv(1 << 16)
        assert len(data) == 4
        client.await_stopped()  # so that the kernel has signalled: we may be faster
        assert client.said() == int(data)
        wire.judged()


def test_unread_data_keeps_it_standing(client: Client, loop: asyncio.AbstractEventLoop) -> None:
    """What was not read yet has not been judged: the client waits for it."""
    wire = Tripwire(client.own, client.process, loop=loop)
    wire.set()
    client.go()
    client.await_stopped()
    wire.judged()
    client.await_stopped()
    seen = client.said()
    time.sleep(0.05)  # time enough for it to send more, if it ran
    assert client.said() == seen


def test_it_stands_while_it_is_written_to(client: Client, loop: asyncio.AbstractEventLoop) -> None:
    """Our own call locks the socket, and what arrives meanwhile would stop nobody."""
    wire = Tripwire(client.own, client.process, loop=loop)
    wire.set()
    with wire.standing():
        client.go()
        client.await_stopped()
        assert client.said() == 0
    poll = select.poll()
    poll.register(client.own, select.POLLIN)
    assert poll.poll(TIMEOUT * 1000), "it goes on behind the write"
    client.await_stopped()
    with wire.standing():
        pass
    client.await_stopped()
    assert client.said() == 0, "what it has sent is not read yet"


def test_one_that_was_frozen_stays_so(client: Client, loop: asyncio.AbstractEventLoop) -> None:
    """A strike has stopped it: what the wire judges meanwhile does not let it go on."""
    wire = Tripwire(client.own, client.process, loop=loop)
    wire.set()
    client.go()
    client.await_stopped()
    client.process.stop()
    client.own.recv(1 << 16)
    wire.judged()
    wire.clear()
    client.await_stopped()


def test_one_that_stands_for_nothing_is_let_go(client: Client, loop: asyncio.AbstractEventLoop) -> None:
    """We may judge before the kernel stops it: the stop that comes too late does not last."""
    wire = Tripwire(client.own, client.process, loop=loop)
    wire.set()
    client.go()
    client.await_stopped()
    client.own.recv(1 << 16)
    deadline = time.monotonic() + TIMEOUT
    poll = select.poll()
    poll.register(client.own, select.POLLIN)
    while not poll.poll(0):
        assert time.monotonic() < deadline, "it stands for ever"
        loop.run_until_complete(asyncio.sleep(0.001))
    wire.clear()


def test_cleared_it_runs_to_its_end(client: Client, loop: asyncio.AbstractEventLoop) -> None:
    """Without the wire it sends what it has, and a second clearing changes nothing."""
    wire = Tripwire(client.own, client.process, loop=loop)
    wire.set()
    client.go()
    client.await_stopped()
    wire.clear()
    wire.clear()
    while client.own.recv(1 << 16):
        pass
    assert client.popen.wait(TIMEOUT) == 0
    assert client.said() == 1000


def test_a_socket_that_has_ended_is_no_error(client: Client, loop: asyncio.AbstractEventLoop) -> None:
    """A connection may end at any time."""
    client.own.close()
    wire = Tripwire(client.own, client.process, loop=loop)
    wire.set()
    wire.judged()
    wire.clear()


class Noted:
    """A client that notes what is done to it, and whether anything can be read by it then."""

    stands = False

    def __init__(self, group: int, reader: socket.socket) -> None:
        self.group = group
        self.notes: list[tuple[str, bool]] = []
        self._poll = select.poll()
        self._poll.register(reader, select.POLLIN)

    def halt(self) -> None:
        """Note it."""
        self.notes.append(("halt", bool(self._poll.poll(0))))

    def go_on(self) -> None:
        """Note it."""
        self.notes.append(("go on", bool(self._poll.poll(0))))


def test_a_delivery_is_written_to_one_that_stands(client: Client) -> None:
    """From before our write until behind it, and only where its next word may be the moment."""
    stage = Stage()
    try:
        reader, broker = stage.consuming()
        noted = Noted(client.process.group, reader)
        relay = relay_of(stage)
        do(stage, lambda: relay.tighten(noted))
        broker.sendall(delivery(1))
        stage.await_fact(facts.Delivered)
        do(stage)  # the link's thread is done with it
        assert noted.notes == [("halt", False), ("go on", True)]
        do(stage, relay.slacken, noted.notes.clear)
        broker.sendall(delivery(2))
        stage.await_fact(facts.Delivered, 2)
        do(stage)
        assert noted.notes == []
    finally:
        stage.close()
