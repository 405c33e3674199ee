"""A port may be taken by somebody else between its choice and its use: then another one is, or one line says so."""

import os
import shutil
import socket
import uuid
from pathlib import Path

import pytest
from standing import stand

from pytest_mqchaos.brokers.rabbitmq import node as node_module
from pytest_mqchaos.errors import ChaosError, ServerUnavailable
from pytest_mqchaos.link import toxiproxy as link
from pytest_mqchaos.link.toxiproxy import ToxiproxyNetwork
from pytest_mqchaos.servers import ServerSettings, start
from pytest_mqchaos.servers import toxiproxy as toxiproxy_module
from pytest_mqchaos.servers.process import free_ports

TOOLS = Path(__file__).parents[2] / ".tools" / "bin"
pytestmark = pytest.mark.skipif(
    os.environ.get("PYTEST_MQCHAOS_SERVERS") == "docker", reason="PYTEST_MQCHAOS_SERVERS says docker"
)


@pytest.fixture
def stolen(monkeypatch):
    """Return a function that lets somebody listen at the chosen ports, silently, before we do."""
    held = []

    def steal(module, place, times=1):
        left = [times]

        def ports(count):
            fresh = free_ports(count)
            if left[0]:
                left[0] -= 1
                held.append(socket.create_server(("127.0.0.1", fresh[place])))
            return fresh

        monkeypatch.setattr(module, "free_ports", ports)
        return held

    yield steal
    for one in held:
        one.close()


def started(directory, network):
    """Start process servers, or skip."""
    settings = ServerSettings(servers="process", network=network, tool_folder=TOOLS)
    try:
        return start(settings, run=uuid.uuid4().hex[:6], directory=directory)
    except ServerUnavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.mark.parametrize("place", [0, 1, 2], ids=["epmd", "amqp", "distribution"])
def test_a_port_of_the_broker(stolen, tmp_path, place):
    """Whichever of its three ports was taken, the broker starts at others."""
    held = stolen(node_module, place)
    running = started(tmp_path, "wire")
    try:
        assert held
        running.broker.create_namespace("there")
        assert "there" in running.broker.namespaces()
    finally:
        running.stop()


def test_no_port_at_all(stolen, tmp_path):
    """When others are faster each time, one line says that, and nothing is left."""
    if shutil.which("epmd") is None:
        pytest.skip("no RabbitMQ")
    stolen(node_module, 0, times=99)
    settings = ServerSettings(servers="process", network="wire")
    with pytest.raises(ServerUnavailable, match=r"somebody else took its ports, 4 times over") as caught:
        start(settings, run=uuid.uuid4().hex[:8], directory=tmp_path)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def toxiproxy(tmp_path):
    """Return a function that starts Toxiproxies."""
    started = []

    def make():
        try:
            one = toxiproxy_module.start_process(
                run=uuid.uuid4().hex[:8], upstream="127.0.0.1:1", directory=tmp_path, tool_folder=TOOLS
            )
        except ServerUnavailable as error:
            if "PATH" not in str(error):
                raise
            pytest.skip(str(error))
        started.append(one)
        return one

    yield make
    for one in started:
        one.stop()


def test_the_api_of_toxiproxy(stolen, toxiproxy):
    """A silent somebody at the API's port costs another try."""
    held = stolen(toxiproxy_module, 0)
    assert toxiproxy().api[1] != held[0].getsockname()[1]


def test_another_toxiproxy_is_not_taken_for_ours(monkeypatch, toxiproxy):
    """A Toxiproxy of somebody else's at that port, which answers as ours would, is not taken for it."""
    first = toxiproxy()
    ports = [first.api[1]]
    monkeypatch.setattr(toxiproxy_module, "free_ports", lambda n: [ports.pop()] if ports else free_ports(n))
    second = toxiproxy()
    assert not ports
    assert second.api != first.api
    assert second.alive()


def test_a_proxys_port(stolen, toxiproxy):
    """A link whose port was taken gets another one."""
    network = ToxiproxyNetwork(toxiproxy())
    held = stolen(toxiproxy_module, 0)
    route = network.route("one")
    assert route.address[1] != held[0].getsockname()[1]
    route.close()


def test_one_that_hangs_is_lost_at_once(toxiproxy, monkeypatch):
    """A Toxiproxy that stands still costs one deadline; whatever is asked of it later fails at once."""
    monkeypatch.setattr(link, "_TIMEOUT", 0.5)
    server = toxiproxy()
    network = ToxiproxyNetwork(server)
    route = network.route("one")
    assert network.alive(asked=True)
    stand(server._running.child.pid)
    with pytest.raises(
        ChaosError, match=r"did not disable the proxy one: it gave no answer within 0.5 s, and hangs"
    ):
        route.down()
    assert server.alive()
    assert not network.alive()
    monkeypatch.setattr(link, "_TIMEOUT", 600.0)
    with pytest.raises(ChaosError, match="hangs"):
        route.up()
    route.close()
