"""A broker of somebody else's in a container: a vhost for each run by its management API, and what may be disturbed."""

import base64
import contextlib
import json
import secrets
import signal
import time
import urllib.parse
import urllib.request

import pytest
from external_kit import LOSES, REJECTS, Project, one_line, promises

from pytest_mqchaos.brokers.rabbitmq.amqp import amqp_lacks
from pytest_mqchaos.brokers.rabbitmq.place import own_name
from pytest_mqchaos.errors import ServerUnavailable
from pytest_mqchaos.servers.engine import Engine
from pytest_mqchaos.servers.process import free_ports

pytest_plugins = ["pytester"]

IMAGE = "rabbitmq:4"
USER, PASSWORD = "boss", "s3cr3t/p@ss"
_ENABLE = (
    "for d in /usr/lib/rabbitmq/lib/*/plugins /opt/rabbitmq/plugins; do "
    "[ -d $d ] && export RABBITMQ_PLUGINS_DIR=$d; done; "
    "rabbitmq-plugins enable rabbitmq_management"
)


class Service:
    """A RabbitMQ with its management API, as a CI service has it."""

    def __init__(self, client):
        self.port, self.management_port = free_ports(2)
        bridge = client.networks.get("bridge").attrs["IPAM"]["Config"] or [{}]
        self.others = [one["Gateway"] for one in bridge if "Gateway" in one][:1]
        """An address of this host that is not loopback, and that containers reach."""
        self.container = client.containers.run(
            IMAGE,
            name=f"somebodys-{secrets.token_hex(3)}",
            detach=True,
            environment={"RABBITMQ_DEFAULT_USER": USER, "RABBITMQ_DEFAULT_PASS": PASSWORD},
            ports={
                "5672/tcp": [("127.0.0.1", self.port), *((one, self.port) for one in self.others)],
                "15672/tcp": ("127.0.0.1", self.management_port),
            },
        )
        login = f"{USER}:{urllib.parse.quote(PASSWORD, safe='')}"
        self.url = f"amqp://{login}@127.0.0.1:{self.port}/"
        self.management = f"http://127.0.0.1:{self.management_port}"

    @property
    def name(self):
        """The container's name."""
        return self.container.name

    def start(self):
        """Wait until it serves, with its API."""
        self.await_(lambda: amqp_lacks("127.0.0.1", self.port) is None)
        code, said = self.container.exec_run(["sh", "-c", _ENABLE])
        assert code == 0, said
        self.await_(lambda: self.ask("GET", "/whoami")["name"] == USER)

    def await_(self, there):
        """Wait until it is there."""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError, KeyError):
                if there():
                    return
            time.sleep(0.2)
        pytest.fail(self.container.logs(tail=20).decode())

    def ask(self, method, path, body=None):
        """Ask the API."""
        token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.management}/api{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    @property
    def vhosts(self):
        """The names of its vhosts."""
        return sorted(one["name"] for one in self.ask("GET", "/vhosts"))


@pytest.fixture(scope="module")
def client():
    """The engine's client, where there is one that has the image."""
    docker = pytest.importorskip("docker")
    try:
        engine = Engine.connect("external")
    except ServerUnavailable as error:
        pytest.skip(str(error))
    try:
        if not engine.holds(IMAGE):
            pytest.skip(f"no image {IMAGE}")
    finally:
        engine.close()
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="module")
def service(client):
    """One service for all tests here."""
    found = Service(client)
    try:
        found.start()
        yield found
    finally:
        found.container.remove(force=True, v=True)


@pytest.fixture
def whole(service):
    """The service; it runs when the test is done, and nothing of a run is left on it."""
    vhosts = service.vhosts
    yield service
    assert service.vhosts == vhosts
    assert service.ask("GET", "/queues") == []
    service.container.reload()
    assert service.container.status == "running"


@pytest.fixture
def project(pytester, monkeypatch):
    """A user's project."""
    return Project(pytester, monkeypatch)


def test_vhosts(project, whole):
    """Where the user may create them each run has a vhost of its own; consumers need know nothing of it."""
    ran = project.run(
        promises() + LOSES + REJECTS,
        f"--mqchaos-url={whole.url}",
        f"--mqchaos-management-url={whole.management}",
    )
    ran.outcomes(passed=14, failed=2)
    assert [(one["kind"], one["detail"]) for one in ran.findings()] == [
        ("lost", "by_consumer"),
        ("lost", "by_policy"),
    ]
    assert "isolation: vhost, 'mqchaos-" in ran.text
    assert "isolation: vhost)" in ran.report["servers"]["description"]
    for secret in (PASSWORD, urllib.parse.quote(PASSWORD, safe="")):
        assert secret not in ran.text + ran.report_text


def test_prefix_with_the_api(project, whole):
    """By prefix the API is asked too: a policy that moves what is rejected is known, and so is where it leads."""
    whole.ask("PUT", "/policies/%2F/limbo", {
        "pattern": "[.]orders$", "definition": {"dead-letter-exchange": "", "dead-letter-routing-key": "nowhere"},
    })  # fmt: skip
    try:
        ran = project.run(
            REJECTS,
            f"--mqchaos-url={whole.url}?management={whole.management}",
            "--mqchaos-isolation=prefix",
        )
    finally:
        whole.ask("DELETE", "/policies/%2F/limbo")
    ran.outcomes(failed=1)
    (finding,) = ran.findings()
    assert (finding["kind"], finding["detail"]) == ("lost", "by_policy")
    assert "dead letters of `orders` reached no queue" in finding["claim"]


def test_killed(project, whole):
    """A vhost goes by SIGKILL too, and a container that stood still then goes on: the guard sees to both."""
    source = """
import os, signal

@pytest.mark.chaos(baseline())
def test_it(mqchaos, work):
    mqchaos.queue("orders")
    work()
    mqchaos.broker.freeze()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    before = whole.vhosts
    options = (f"--mqchaos-url={whole.url}", f"--mqchaos-management-url={whole.management}")
    ran = project.run(source, *options, f"--mqchaos-container={whole.name}")
    assert ran.result.ret == -signal.SIGKILL
    whole.await_(lambda: whole.vhosts == before)


def test_leftovers(project, whole):
    """What died more than a day ago is removed; what may be alive, and what is not ours, is not touched."""
    old, young, other = "mqchaos-k3f9-00001beef", own_name("mqchaos-k3f9"), "mqchaos-of-somebody"
    for name in (old, young, other):
        whole.ask("PUT", f"/vhosts/{name}", {})
    try:
        project.run(
            "def test_it(mqchaos): pass\n",
            f"--mqchaos-url={whole.url}",
            f"--mqchaos-management-url={whole.management}",
        )
        assert old not in whole.vhosts
        assert {young, other} <= set(whole.vhosts)
    finally:
        for name in {young, other} & set(whole.vhosts):
            whole.ask("DELETE", f"/vhosts/{name}")


def test_a_container_that_may_be_disturbed(project, whole):
    """The container that the user names is restarted, and is as it was in the end."""
    ran = project.run(
        promises("broker_restart(after=delivery(5))", kinds=("classic",)),
        f"--mqchaos-url={whole.url}",
        f"--mqchaos-management-url={whole.management}",
        f"--mqchaos-container={whole.name}",
        "-k",
        "restart or baseline",
    )
    ran.outcomes(passed=2, deselected=6)
    assert ran.verdicts == {"baseline-classic": "pass", "broker_restart-after-delivery-5-classic": "pass"}


def test_a_container_by_hand(project, whole):
    """Killed and frozen by hand it comes back at its address, and no promise is broken by that alone."""
    source = """
@pytest.mark.chaos(baseline())
@pytest.mark.parametrize("how", ["crash", "freeze"])
def test_it(mqchaos, work, how):
    mqchaos.queue("orders", arguments={"x-queue-type": "quorum"})
    work(env={"WORK": "0.05"})
    mqchaos.wait(delivery(5))
    getattr(mqchaos.broker, how)()
    mqchaos.broker.thaw()
"""
    options = (f"--mqchaos-url={whole.url}", f"--mqchaos-management-url={whole.management}")
    ran = project.run(source, *options, f"--mqchaos-container={whole.name}")
    ran.outcomes(passed=2)


def test_any_other_container_is_refused(project, whole, client):
    """One that the address does not lead to is not ours to disturb, whatever its name."""
    other = client.containers.run(
        IMAGE, ["sleep", "600"], detach=True, ports={"5672/tcp": ("127.0.0.1", None)}
    )
    try:
        ran = project.run(LOSES, f"--mqchaos-url={whole.url}", f"--mqchaos-container={other.name}")
    finally:
        other.remove(force=True, v=True)
    ran.outcomes(errors=1)
    one_line(
        ran, f"--mqchaos-container={other.name}: it is not what --mqchaos-url leads to: port {whole.port}"
    )
    ran = project.run(LOSES, f"--mqchaos-url={whole.url}", "--mqchaos-container=no-such-container")
    ran.outcomes(errors=1)
    one_line(ran, "--mqchaos-container=no-such-container: No such container")


@pytest.mark.parametrize("where", ["the gateway", "the container"])
def test_on_another_host(project, whole, monkeypatch, where):
    """Toxiproxy runs in a container if it reaches the broker from there; else the wire does its work, and says so."""
    if not whole.others:
        pytest.skip("no address of this host that containers reach")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    address = whole.container.attrs["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    place = f"{whole.others[0]}:{whole.port}" if where == "the gateway" else f"{address}:5672"
    url = whole.url.replace(f"127.0.0.1:{whole.port}", place)
    tests = promises(kinds=("classic",))
    ran = project.run(
        tests, f"--mqchaos-url={url}", "--mqchaos-allow-remote", "-k", "drop", "--mqchaos-isolation=prefix"
    )
    ran.outcomes(passed=1, deselected=6)
    said = "Toxiproxy" if where == "the gateway" else "no Toxiproxy: the wire does its faults"
    assert f"isolation: prefix), {said}" in ran.text
