"""Toxiproxy and the wire show a client the same network."""

import shutil
import uuid
from pathlib import Path

import pytest

from pytest_mqchaos.link.embedded import EmbeddedNetwork
from pytest_mqchaos.link.toxiproxy import ToxiproxyNetwork
from pytest_mqchaos.servers.toxiproxy import start_process
from pytest_mqchaos.testing import NETWORK_CHECKS, NetworkBench

TOOLS = Path(__file__).parents[2] / ".tools" / "bin"


@pytest.fixture(params=["wire", "toxiproxy"])
def make(request, tmp_path):
    """Return what makes a network in front of a server."""
    if request.param == "wire":
        yield EmbeddedNetwork
        return
    if not shutil.which("toxiproxy-server") and not shutil.which("toxiproxy-server", path=TOOLS):
        pytest.skip("no toxiproxy-server")
    started = []

    def toxiproxy(host, port):
        server = start_process(
            run=uuid.uuid4().hex[:6], upstream=f"{host}:{port}", directory=tmp_path, tool_folder=TOOLS
        )
        started.append(server)
        return ToxiproxyNetwork(server)

    yield toxiproxy
    for server in started:
        server.stop()


@pytest.mark.parametrize("check", NETWORK_CHECKS, ids=lambda check: check.__name__)
def test_a_client_sees_the_same(make, check):
    """What the check says holds for a client, whoever breaks the network."""
    with NetworkBench(make) as bench:
        check(bench)
