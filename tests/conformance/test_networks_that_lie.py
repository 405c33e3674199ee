"""A network that says that it breaks or heals something, and does not, is found out; one that hangs has a deadline."""

import contextlib
import os
import shutil
import signal
import socket
import threading
import time
import uuid
from pathlib import Path

import pytest

from pytest_mqchaos import ChaosError, bandwidth, black_hole, fragment, latency, stall
from pytest_mqchaos.link.embedded import EmbeddedNetwork, EmbeddedRoute
from pytest_mqchaos.link.toxiproxy import ToxiproxyNetwork
from pytest_mqchaos.servers.toxiproxy import start_process
from pytest_mqchaos.testing import NetworkBench

TOOLS = Path(__file__).parents[2] / ".tools" / "bin"


class LyingRoute(EmbeddedRoute):
    """Says that it does what it is asked for."""

    def bring(self, condition):
        """Do nothing."""
        return True


class LyingNetwork(EmbeddedNetwork):
    """Makes routes that lie."""

    actor = "liar"

    def route(self, name):
        """Return one."""
        return LyingRoute(self._address)


@pytest.mark.parametrize("fault", [stall(), black_hole(duration=2), latency(delay=0.3)], ids=lambda f: f.kind)
def test_a_strike_that_did_not_happen(fault):
    """Who greets through a silent link, or through a slow one at once, proves that it is neither."""

    def until_found(bench):
        bench.strike(fault)
        deadline = time.monotonic() + 10.0
        while time.monotonic() < deadline:
            bench.check()
            threading.Event().wait(0.005)

    with NetworkBench(LyingNetwork) as bench, pytest.raises(ChaosError) as raised:
        until_found(bench)
    why = str(raised.value)
    assert why.startswith(f"{fault}: liar said that it was in force on worker, and the broker greeted"), why


class DeafRoute(EmbeddedRoute):
    """Is silent when it is told to be, and stays so whatever it says."""

    def __init__(self, address):
        super().__init__(address)
        self._nobody = socket.create_server(("127.0.0.1", 0))

    def bring(self, condition):
        """Lead to where nobody answers."""
        self.address = self._nobody.getsockname()
        return True

    def close(self):
        """Give the port back."""
        self._nobody.close()


class DeafNetwork(EmbeddedNetwork):
    """Makes routes that stay silent."""

    def route(self, name):
        """Return one."""
        return DeafRoute(self._address)


@pytest.mark.parametrize("fault", [stall(duration=60), black_hole(duration=60)], ids=lambda fault: fault.kind)
def test_a_heal_that_did_not_happen(fault):
    """A route through which the broker does not greet, though it greets by itself, is not healed."""
    with NetworkBench(DeafNetwork) as bench:
        armed = bench.strike(fault)
        with pytest.raises(ChaosError, match=r"healing .*: the broker did not greet within 5 s"):
            bench.heal(armed)


@pytest.fixture
def toxiproxy(tmp_path):
    """Return a bench behind a Toxiproxy, its proxy's handle in our client, and its process."""
    if not shutil.which("toxiproxy-server") and not shutil.which("toxiproxy-server", path=TOOLS):
        pytest.skip("no toxiproxy-server")
    started = []

    def make(host, port):
        server = start_process(
            run=uuid.uuid4().hex[:6], upstream=f"{host}:{port}", directory=tmp_path, tool_folder=TOOLS
        )
        started.append(server)
        return ToxiproxyNetwork(server)

    with contextlib.ExitStack() as stack:
        bench = stack.enter_context(NetworkBench(make))
        (link,) = bench._links
        yield bench, link.route._proxy, started[0]
    started[0].stop()


FAULTS = [stall(duration=60), black_hole(duration=60), latency(), bandwidth(5000), fragment(5)]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.kind)
def test_a_toxic_that_is_not_there(toxiproxy, monkeypatch, fault):
    """An answer of success without the toxic is an error that says what is listed instead."""
    bench, proxy, _ = toxiproxy
    monkeypatch.setattr(proxy, "add_toxic", lambda **arguments: None)
    with pytest.raises(ChaosError, match=r"Toxiproxy at \S+ said that it has .*, and lists none on mqchaos-"):
        bench.strike(fault)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.kind)
def test_a_toxic_that_stays(toxiproxy, monkeypatch, fault):
    """A heal that was answered and did not happen is an error."""
    bench, proxy, _ = toxiproxy
    armed = bench.strike(fault)
    monkeypatch.setattr(proxy, "destroy_toxic", lambda name: True)
    with pytest.raises(ChaosError, match=r"said that it has removed \S+.*, and lists .* on mqchaos-"):
        bench.heal(armed)


def test_a_toxiproxy_that_hangs(toxiproxy):
    """A heal that is not answered ends at its deadline, with a line that says so."""
    bench, _, server = toxiproxy
    armed = bench.strike(stall(duration=60))
    pid = server._running.child.pid
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    try:
        with pytest.raises(
            ChaosError, match=r"did not remove the toxic .*: it gave no answer within 5 s, and hangs"
        ):
            bench.heal(armed)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert time.monotonic() - began < 9.0


def test_a_failed_heal_is_not_forgotten(toxiproxy, monkeypatch):
    """Who asked for a heal may look away from its failure: the run knows it all the same."""
    bench, proxy, _ = toxiproxy
    armed = bench.strike(stall(duration=60))
    monkeypatch.setattr(proxy, "destroy_toxic", lambda name: True)
    with contextlib.suppress(ChaosError):
        bench.heal(armed)
    assert armed.healed.is_set()
    with pytest.raises(ChaosError, match="said that it has removed"):
        bench.check()
