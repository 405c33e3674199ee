"""What real clients see of each fault of the network, through Toxiproxy and through the wire: five of three languages.

Each is a small program of `tests/clients` in front of a real broker. One process lives through all the faults: it has
to come back by its own means from each, and to work on all that was published meanwhile.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import pika
import pytest

from pytest_mqchaos import black_hole, connection_drop, connection_reset, latency, refuse, stall
from pytest_mqchaos.link.embedded import EmbeddedNetwork
from pytest_mqchaos.link.toxiproxy import ToxiproxyNetwork
from pytest_mqchaos.servers.toxiproxy import start_process
from pytest_mqchaos.testing import NetworkBench

TOOLS = Path(__file__).parents[2] / ".tools" / "bin"
TIMEOUT = 20.0
BLINK = 0.25
"""Seconds for which nothing must happen."""
ENDS = {
    "pika": "EOF",
    "aio_pika": "unexpectedly closed",
    "kombu": "Server unexpectedly closed connection",
    "amqplib": "Unexpected close",
    "amqp091": "EOF",
}
"""In which words a client speaks of an end of stream."""
RESETS = {
    "pika": "ConnectionResetError",
    "aio_pika": "ConnectionResetError",
    "kombu": "ConnectionResetError",
    "amqplib": "ECONNRESET",
    "amqp091": "connection reset by peer",
}
"""In which words it speaks of an RST."""
REFUSALS = {
    "pika": "Connection refused",
    "aio_pika": "Connect call failed",
    "kombu": "Connection refused",
    "amqplib": "ECONNREFUSED",
    "amqp091": "connection refused",
}
"""In which words it speaks of nobody who listens."""


class Client:
    """A client's program, what it said and what it did; messages reach it from the broker's own side."""

    def __init__(self, name: str, command: Sequence[str], *, address: str, direct: str, folder: Path) -> None:
        self.name = name
        self._connection = pika.BlockingConnection(pika.URLParameters(direct))
        self._channel = self._connection.channel()
        self._channel.confirm_delivery()
        self._channel.queue_declare("orders", durable=True)
        self._published = 0
        self._effects, self._output = folder / "effects", folder / "output"
        self._effects.touch()
        env = {**os.environ, "AMQP_URL": address, "MQCHAOS_EFFECTS": str(self._effects)}
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                command, env=env, stdout=output, stderr=subprocess.DEVNULL, start_new_session=True
            )
        self._seen = 0
        self.await_said("connected")

    def publish(self, count: int = 20) -> set[str]:
        """Publish messages past the link, and return their ids."""
        ids = [f"m-{self._published + n}" for n in range(count)]
        self._published += count
        for each in ids:
            self._channel.basic_publish("", "orders", b"{}", pika.BasicProperties(message_id=each))
        return set(ids)

    def done(self) -> list[str]:
        """The ids it has worked on, in order."""
        return self._effects.read_text().split()

    def works_on(self, ids: set[str]) -> None:
        """Wait until it has worked on all of these."""
        self._await(lambda: ids <= set(self.done()), lambda: f"work on {sorted(ids - set(self.done()))}")

    def said(self) -> str:
        """What it said since the last look by `await_said`."""
        return self._output.read_text()[self._seen :]

    def await_said(self, words: str) -> None:
        """Wait until it has said so, since the last time; nothing up to that line is looked at again."""
        self._await(lambda: words in self.said(), lambda: f"{words!r} in {self.said()!r}")
        end = self.said().index(words) + len(words)
        self._seen += end

    def calm(self) -> None:
        """Forget what it said so far."""
        self._seen = len(self._output.read_text())

    def close(self) -> None:
        """End it."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(TIMEOUT)
        self._connection.close()

    def _await(self, holds: Callable[[], bool], what: Callable[[], str]) -> None:
        deadline = time.monotonic() + TIMEOUT
        while not holds():
            code = self._process.poll()
            assert code is None, f"{self.name} ended with {code}: {self.said()}"
            assert time.monotonic() < deadline, f"{self.name}: {what()} awaited for {TIMEOUT:g} s"
            time.sleep(0.005)  # the interval of a poll: files do not call back


@pytest.fixture(scope="module", params=["wire", "toxiproxy"])
def bench(request, broker, tmp_path_factory):
    """A link in front of the broker: the bench's own server stands aside."""
    if request.param == "wire":
        with NetworkBench(lambda _host, _port: EmbeddedNetwork(broker.host, broker.port)) as made:
            yield made
        return
    if not shutil.which("toxiproxy-server") and not shutil.which("toxiproxy-server", path=TOOLS):
        pytest.skip("no toxiproxy-server")
    server = start_process(
        run=uuid.uuid4().hex[:6],
        upstream=f"{broker.host}:{broker.port}",
        directory=tmp_path_factory.mktemp("toxiproxy"),
        tool_folder=TOOLS,
    )
    try:
        with NetworkBench(lambda _host, _port: ToxiproxyNetwork(server)) as made:
            yield made
    finally:
        server.stop()


@pytest.fixture(scope="module", params=["pika", "aio_pika", "kombu", "amqplib", "amqp091"])
def client(request, bench, broker, program, tmp_path_factory):
    """A client that consumes through the link."""
    command = program(request.param)
    namespace = f"test-{uuid.uuid4().hex[:8]}"
    broker.create_namespace(namespace)
    host, port = bench.address
    made = Client(
        request.param,
        command,
        address=broker.url(namespace, host=host, port=port),
        direct=broker.url(namespace),
        folder=tmp_path_factory.mktemp(request.param),
    )
    try:
        yield made
    finally:
        made.close()
        broker.delete_namespace(namespace)


@pytest.fixture(autouse=True)
def at_work(client):
    """Let each fault meet a client that is connected and has nothing in hand."""
    client.works_on(client.publish(5))
    client.calm()


@pytest.mark.parametrize("fault", [connection_drop, connection_reset])
def test_a_cut_is_called_by_its_name(bench, client, fault):
    """An idle client names the end as the fault does, and comes back; cut at its work it loses nothing."""
    bench.strike(fault())
    client.await_said((ENDS if fault is connection_drop else RESETS)[client.name])
    client.await_said("connected")
    ids = client.publish(50)
    bench.strike(fault())
    client.await_said("lost")
    client.works_on(ids)


def test_a_refusal_is_called_by_its_name(bench, client):
    """The client is cut and refused for as long as it lasts, and then works on what has piled up."""
    armed = bench.strike(refuse(duration=60.0))
    client.await_said(ENDS[client.name])
    client.await_said(REFUSALS[client.name])
    ids = client.publish()
    assert not ids & set(client.done())
    assert "connected" not in client.said()
    bench.heal(armed)
    client.await_said("connected")
    client.works_on(ids)


def test_a_black_hole_is_silent_and_then_a_reset(bench, client):
    """The client notices nothing while it lasts; at the heal it is reset, comes back, and loses nothing."""
    armed = bench.strike(black_hole(duration=60.0))
    ids = client.publish()
    time.sleep(BLINK)  # nothing must happen in it
    assert not ids & set(client.done())
    assert client.said() == ""
    bench.heal(armed)
    client.await_said(RESETS[client.name])
    client.await_said("connected")
    client.works_on(ids)


def test_a_stall_loses_nothing_and_ends_nothing(bench, client):
    """Nothing comes while it lasts, and then everything, once, on the same connection."""
    armed = bench.strike(stall(duration=60.0))
    ids = client.publish()
    time.sleep(BLINK)  # nothing must happen in it
    assert not ids & set(client.done())
    bench.heal(armed)
    client.works_on(ids)
    assert sorted(each for each in client.done() if each in ids) == sorted(ids)
    assert client.said() == ""


def test_latency_is_felt_and_ends_nothing(bench, client):
    """Work comes late by the delay, once, on the same connection; when it is healed, soon again."""
    armed = bench.strike(latency(delay=0.2))
    began = time.monotonic()
    ids = client.publish(5)
    client.works_on(ids)
    assert time.monotonic() - began >= 0.19
    bench.heal(armed)
    client.works_on(client.publish(5))
    assert sorted(each for each in client.done() if each in ids) == sorted(ids)
    assert client.said() == ""
