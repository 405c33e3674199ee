"""A network that says that it breaks or heals something, and does not, is found out; one that hangs has a deadline."""

import contextlib
import http.server
import json
import os
import shutil
import signal
import socket
import ssl
import threading
import time
import urllib.request
import uuid
from pathlib import Path

import pytest
from standing import stand

from pytest_mqchaos import (
    ChaosError,
    bandwidth,
    black_hole,
    connection_drop,
    fragment,
    latency,
    refuse,
    stall,
)
from pytest_mqchaos.link.authority import Authority
from pytest_mqchaos.link.embedded import EmbeddedNetwork, EmbeddedRoute
from pytest_mqchaos.link.toxiproxy import ToxiproxyNetwork
from pytest_mqchaos.servers.toxiproxy import start_process
from pytest_mqchaos.testing import NetworkBench

TOOLS = Path(__file__).parents[2] / ".tools" / "bin"


@pytest.fixture(params=["plain", "tls"])
def spoken(request, tmp_path):
    """Return what lets the server behind a bench, and the wire to it, speak plain text or TLS."""

    def secure(bench):
        authority, (link,) = Authority(tmp_path), bench._links
        context, meet = authority.context(), bench.upstream._meet

        def meet_secure(own):
            with contextlib.suppress(OSError):  # one that asks and leaves
                meet(context.wrap_socket(own, server_side=True))

        bench.upstream._meet = meet_secure
        trust = ssl.create_default_context(cafile=authority.trust()["MQCHAOS_CA"])
        link.wire._tls = {"ssl": trust, "server_hostname": "localhost", "ssl_shutdown_timeout": 0.5}

    return secure if request.param == "tls" else lambda bench: None


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
def test_a_strike_that_did_not_happen(spoken, fault):
    """Who greets through a silent link, or through a slow one at once, proves that it is neither."""

    def until_found(bench):
        spoken(bench)
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
def test_a_heal_that_did_not_happen(spoken, fault):
    """A route through which the broker does not greet, though it greets by itself, is not healed."""
    with NetworkBench(DeafNetwork) as bench:
        spoken(bench)
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
    stand(pid)
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


class Between(http.server.ThreadingHTTPServer):
    """Stands between us and Toxiproxy's API, and does not hand on everything that it says was done."""

    daemon_threads = True

    def __init__(self, api):
        self.api = "http://{}:{}".format(*api)
        self.lies = set()
        """Which of `enable` and `disable` it only says it did, and whether it says so again (`list`)."""
        self.said = {}
        super().__init__(("127.0.0.1", 0), _Between)


class _Between(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        found = self.hand_on()
        if "list" in self.server.lies and self.path == "/proxies":
            found = {
                name: {**each, "enabled": self.server.said.get(name, True)} for name, each in found.items()
            }
        self.answer(found)

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        enabled = asked.get("enabled")
        if enabled is not None and ("enable" if enabled else "disable") in self.server.lies:
            self.server.said[self.path.rpartition("/")[2]] = enabled
            self.answer(asked)
        else:
            self.answer(self.hand_on(json.dumps(asked).encode()))

    def do_DELETE(self):
        self.answer(self.hand_on())

    def hand_on(self, data=None):
        """Ask Toxiproxy itself."""
        request = urllib.request.Request(self.server.api + self.path, data, method=self.command)
        with urllib.request.urlopen(request, timeout=5) as answer:
            text = answer.read()
        return json.loads(text) if text else {}

    def answer(self, value):
        """Say that all went well."""
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def between(toxiproxy):
    """Return a bench, and what stands between it and the API of its Toxiproxy."""
    bench, _, server = toxiproxy
    with Between(server.api) as liar:
        threading.Thread(target=liar.serve_forever, daemon=True).start()
        (link,) = bench._links
        truth, link.route._network.server = server, Behind(server, liar.server_address)
        yield bench, liar
        link.route._network.server = truth
        liar.shutdown()


class Behind:
    """A Toxiproxy whose API is another one's."""

    def __init__(self, server, api):
        self._server = server
        self.api = api

    def __getattr__(self, name):
        """Be the Toxiproxy in all else."""
        return getattr(self._server, name)


CUTS = pytest.mark.parametrize(
    "fault", [connection_drop(), refuse(duration=60)], ids=lambda fault: fault.kind
)


@CUTS
def test_a_cut_that_is_only_said(between, fault):
    """A proxy that is listed as enabled was not cut, whatever was answered."""
    bench, liar = between
    bench.connect()
    liar.lies = {"disable"}
    with pytest.raises(
        ChaosError, match=r"Toxiproxy at \S+ said that it disabled mqchaos-\S+, and lists it as enabled"
    ):
        bench.strike(fault)


@CUTS
def test_a_cut_that_is_said_and_listed(between, fault):
    """Where all that the API says is a lie, the connection that stays open gives it away."""
    bench, liar = between
    bench.connect()
    liar.lies = {"disable", "list"}
    with pytest.raises(
        ChaosError, match=r"toxiproxy said that it cut worker, but its connection was open 5 s later"
    ):
        bench.strike(fault)


def test_a_link_that_stays_down_after_a_drop(between):
    """Who cannot come back since the proxy was not enabled again is not to blame: the run is in error."""
    bench, liar = between
    bench.connect()
    liar.lies = {"enable"}
    with pytest.raises(ChaosError, match=r"said that it enabled mqchaos-\S+, and lists it as disabled"):
        bench.strike(connection_drop())


@pytest.mark.parametrize(
    ("lies", "why"),
    [
        ({"enable"}, r"said that it enabled mqchaos-\S+, and lists it as disabled"),
        ({"enable", "list"}, r"healing refuse\(duration=60.0\): .*"),
    ],
    ids=["said", "said and listed"],
)
def test_a_refusal_that_stays(between, lies, why):
    """A heal that was only said is no heal: nobody answers behind the proxy."""
    bench, liar = between
    bench.connect()
    armed = bench.strike(refuse(duration=60))
    liar.lies = lies
    with pytest.raises(ChaosError, match=why):
        bench.heal(armed)


def test_a_proxy_that_is_gone(between):
    """A Toxiproxy that was started anew, and knows nothing of our proxy, is told apart from a cut."""
    bench, _ = between
    (link,) = bench._links
    link.route._proxy.destroy()
    with pytest.raises(ChaosError, match=r"did not disable the proxy mqchaos-"):
        bench.strike(connection_drop())
