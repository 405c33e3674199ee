"""The gate that a probe asks at before it writes: open, shut, and whatever comes between."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_mqchaos import probe
from pytest_mqchaos.consumers import proc
from pytest_mqchaos.effects.gate import Gate
from pytest_mqchaos.link.listener import listen
from pytest_mqchaos.link.loop import LoopThread

TIMEOUT = 5.0


class Keeper:
    """A gate on a loop of its own, and who asked there."""

    def __init__(self, directory: Path) -> None:
        self.thread = LoopThread()
        self.asked: list[tuple[str, str]] = []
        self.ports: set[int] = set()
        self.go = threading.Event()
        self.go.set()
        self.ended: list[str] = []
        self.gate = Gate(directory, self._asked, lambda name, entry: self.ended.append(entry), listen=listen)
        self.file = directory / "gate"

    async def _asked(self, name: str, entry: str, port: int) -> None:
        self.asked.append((name, entry))
        self.ports.add(port)
        await self.thread.blocking(self.go.wait, TIMEOUT)

    def do(self, what: Callable[[], object]) -> None:
        """Call on the loop, and wait."""

        async def call() -> None:
            what()

        self.thread.call(call(), timeout=TIMEOUT, what="a gate")


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    """A gate that is shut."""
    made = Keeper(tmp_path)
    try:
        yield made
    finally:
        made.do(made.gate.close)
        made.thread.close()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The effects file of a running test."""
    path = tmp_path / "worker#2.effects"
    path.touch()
    monkeypatch.setenv("MQCHAOS_EFFECTS", str(path))
    yield path
    probe._announced.discard(str(path))


def lines(file: Path) -> list[str]:
    """What was written, without the probe's own line."""
    return [line for line in file.read_text().splitlines() if line != "#probe"]


def test_nobody_asks_while_it_is_shut(keeper: Keeper, file: Path) -> None:
    """The probe looks whether a file is there, and writes."""
    probe.effect("1")
    assert (lines(file), keeper.asked) == (["1"], [])


def test_whoever_asks_waits_for_the_answer(keeper: Keeper, file: Path) -> None:
    """Nothing stands there before it is let go."""
    keeper.go.clear()
    keeper.do(keeper.gate.open)
    worker = threading.Thread(target=probe.effect, args=("orders-k3f9-000005",))
    worker.start()
    deadline = time.monotonic() + TIMEOUT
    while not keeper.asked:
        assert time.monotonic() < deadline, "nobody asked"
        time.sleep(0.001)
    assert lines(file) == []
    (port,) = keeper.ports
    assert proc.speaker(port, [os.getpid()]) == os.getpid()
    keeper.go.set()
    worker.join(TIMEOUT)
    assert lines(file) == ["orders-k3f9-000005"]
    assert keeper.asked == [("worker#2.effects", "orders-k3f9-000005")]
    while not keeper.ended:
        assert time.monotonic() < deadline, "nobody said that it is written"
        time.sleep(0.001)


def test_bytes_are_told_as_the_file_will_be_read(keeper: Keeper, file: Path) -> None:
    """What is no text is escaped the same way."""
    keeper.do(keeper.gate.open)
    probe.effect(b"\xff")
    assert keeper.asked == [("worker#2.effects", "\\xff")]


def test_it_is_shut_and_opened_again(keeper: Keeper, file: Path) -> None:
    """At the same address, and only while it is open anybody asks."""
    for name, change in (("1", keeper.gate.open), ("2", keeper.gate.shut), ("3", keeper.gate.open)):
        keeper.do(change)
        probe.effect(name)
    assert [entry for _, entry in keeper.asked] == ["1", "3"]
    assert lines(file) == ["1", "2", "3"]
    assert sorted(path.name for path in file.parent.iterdir()) == ["gate", "worker#2.effects"]


def test_a_gate_that_nobody_keeps_holds_nobody(keeper: Keeper, file: Path) -> None:
    """Its process died and left the file: the work goes on."""
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))  # and does not listen
        keeper.file.write_text(f"{own.getsockname()[1]} token")
        probe.effect("1")
    keeper.file.write_text("")
    probe.effect("2")
    assert lines(file) == ["1", "2"]


def test_its_end_lets_go_who_waits(tmp_path: Path, file: Path) -> None:
    """A test that is killed ends the connection."""
    with socket.create_server(("127.0.0.1", 0)) as own:
        (tmp_path / "gate").write_text(f"{own.getsockname()[1]} token")
        worker = threading.Thread(target=probe.effect, args=("1",))
        worker.start()
        asking, _ = own.accept()
        asking.close()
        worker.join(TIMEOUT)
    assert lines(file) == ["1"]


def test_strangers_are_no_probes(keeper: Keeper, file: Path) -> None:
    """Who does not know the token asks about nothing, and is not kept."""
    keeper.do(keeper.gate.open)
    port = int(keeper.file.read_text().split()[0])
    for said in (b"stranger\nworker.effects\n1\n", b"", b"x" * 100_000, b"GET / HTTP/1.1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as own:
            own.sendall(said)
            own.shutdown(socket.SHUT_WR)
            try:
                own.recv(1)
            except ConnectionResetError:
                continue
    assert keeper.asked == []
    probe.effect("1")
    assert len(keeper.asked) == 1


def test_who_never_asks_loads_nothing_for_it(tmp_path: Path) -> None:
    """`socket` is loaded where there is a gate only."""
    path = tmp_path / "worker.effects"
    path.touch()
    program = "import sys\nfrom pytest_mqchaos import probe\nprobe.effect(1)\nprint('socket' in sys.modules)"
    env = {**os.environ, "PYTHONPATH": str(Path(probe.__file__).parents[1]), "MQCHAOS_EFFECTS": str(path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "False\n"
