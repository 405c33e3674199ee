"""A RabbitMQ that somebody else runs in a container, as a CI service is."""

import base64
import contextlib
import json
import secrets
import time
import urllib.parse
import urllib.request

import pytest

from pytest_mqchaos.brokers.rabbitmq.amqp import amqp_lacks
from pytest_mqchaos.errors import ServerUnavailable
from pytest_mqchaos.servers.engine import Engine
from pytest_mqchaos.servers.process import free_ports

IMAGE = "rabbitmq:4"
USER, PASSWORD = "boss", "s3cr3t/p@ss"
_ENABLE = (
    "for d in /usr/lib/rabbitmq/lib/*/plugins /opt/rabbitmq/plugins; do "
    "[ -d $d ] && export RABBITMQ_PLUGINS_DIR=$d; done; "
    "rabbitmq-plugins enable rabbitmq_management"
)


class Service:
    """A RabbitMQ with its management API, as a CI service has it."""

    def __init__(self, client, *, user=USER, password=PASSWORD):
        self.port, self.management_port = free_ports(2)
        self.container = client.containers.run(
            IMAGE,
            name=f"somebodys-{secrets.token_hex(3)}",
            detach=True,
            environment={"RABBITMQ_DEFAULT_USER": user, "RABBITMQ_DEFAULT_PASS": password},
            ports={
                "5672/tcp": ("127.0.0.1", self.port),
                "15672/tcp": ("127.0.0.1", self.management_port),
            },
        )
        self._user, self._password = user, password
        login = f"{user}:{urllib.parse.quote(password, safe='')}"
        self.url = f"amqp://{login}@127.0.0.1:{self.port}/"
        self.management = f"http://127.0.0.1:{self.management_port}"

    @property
    def name(self):
        """The container's name."""
        return self.container.name

    def address(self, network="bridge"):
        """Its own address on a network of the engine: another host than this one."""
        self.container.reload()
        return self.container.attrs["NetworkSettings"]["Networks"][network]["IPAddress"]

    def start(self):
        """Wait until it serves, with its API."""
        self.await_(lambda: amqp_lacks("127.0.0.1", self.port) is None)
        code, said = self.container.exec_run(["sh", "-c", _ENABLE])
        assert code == 0, said
        self.await_(lambda: self.ask("GET", "/whoami")["name"] == self._user)

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
        token = base64.b64encode(f"{self._user}:{self._password}".encode()).decode()
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


def engine_client():
    """Return a client of the engine, where there is one that has the image; skip elsewhere."""
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
    return docker.from_env()
