"""Toxiproxy and the wire show a client the same network."""

import contextlib
import json
import shutil
import urllib.request
import uuid
from pathlib import Path

import pytest

from pytest_mqchaos import refuse
from pytest_mqchaos.link.authority import Authority
from pytest_mqchaos.link.embedded import EmbeddedNetwork
from pytest_mqchaos.link.toxiproxy import ToxiproxyNetwork
from pytest_mqchaos.servers.toxiproxy import start_process
from pytest_mqchaos.testing import NETWORK_CHECKS, NetworkBench

TOOLS = Path(__file__).parents[2] / ".tools" / "bin"


@pytest.fixture
def toxiproxies(tmp_path):
    """Return what starts a Toxiproxy in front of a server, and the ones that it started."""
    if not shutil.which("toxiproxy-server") and not shutil.which("toxiproxy-server", path=TOOLS):
        pytest.skip("no toxiproxy-server")
    started = []

    def toxiproxy(host, port):
        server = start_process(
            run=uuid.uuid4().hex[:6], upstream=f"{host}:{port}", directory=tmp_path, tool_folder=TOOLS
        )
        started.append(server)
        return ToxiproxyNetwork(server)

    yield toxiproxy, started
    for server in started:
        server.stop()


@pytest.fixture(params=["wire", "toxiproxy"])
def make(request):
    """Return what makes a network in front of a server."""
    return EmbeddedNetwork if request.param == "wire" else request.getfixturevalue("toxiproxies")[0]


@pytest.mark.parametrize("check", NETWORK_CHECKS, ids=lambda check: check.__name__)
def test_a_client_of_tls_sees_the_same(tmp_path, check):
    """The same holds for a client that speaks TLS to its link: what faults do to its socket is no other."""
    with NetworkBench(EmbeddedNetwork, authority=Authority(tmp_path)) as bench:
        check(bench)


@pytest.mark.parametrize("check", NETWORK_CHECKS, ids=lambda check: check.__name__)
def test_a_client_sees_the_same(make, check):
    """What the check says holds for a client, whoever breaks the network."""
    with NetworkBench(make) as bench:
        check(bench)


def test_two_toxiproxies_at_once(toxiproxies):
    """Each is asked about its own links, whichever was spoken to last: the client has one endpoint for all."""
    make, started = toxiproxies

    def listening():
        for server in started:
            with urllib.request.urlopen("http://{}:{}/proxies".format(*server.api), timeout=5) as answer:
                yield [each["enabled"] for each in json.load(answer).values()]

    with contextlib.ExitStack() as stack:
        first, _ = [stack.enter_context(NetworkBench(make)) for _ in range(2)]
        assert list(listening()) == [[True], [True]]
        refusal = first.strike(refuse(duration=60))
        assert list(listening()) == [[False], [True]]
        first.heal(refusal)
        assert list(listening()) == [[True], [True]]
