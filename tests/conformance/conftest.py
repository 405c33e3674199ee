"""A real broker for the conformance tests: one a session, a namespace a test."""

import os
import uuid

import pytest

from pytest_mqchaos.errors import ServerUnavailable
from pytest_mqchaos.servers import ServerSettings, start


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    """Return a running RabbitMQ of the kind and image that the environment names, without a Toxiproxy."""
    kind = os.environ.get("PYTEST_MQCHAOS_SERVERS", "process")
    image = os.environ.get("PYTEST_MQCHAOS_RABBITMQ_IMAGE", "rabbitmq:4")
    settings = ServerSettings(servers=kind, network="wire", rabbitmq_image=image)
    try:
        servers = start(settings, run=uuid.uuid4().hex[:6], directory=tmp_path_factory.mktemp("servers"))
    except ServerUnavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    yield servers.broker
    servers.stop()


@pytest.fixture
def namespace(broker):
    """Return a namespace of the test's own."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    broker.create_namespace(name)
    yield name
    broker.delete_namespace(name)
