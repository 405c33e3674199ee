"""Consumers that find the broker otherwise than by a URL in their environment: a configuration file, host and port."""

import configparser

import pytest
from e2e_kit import text

from pytest_mqchaos import ack, consumer_crash, delivery
from pytest_mqchaos.servers.process import free_ports


def configured(mqchaos, scene, **options):
    """Start a consumer whose broker stands in a file, at a port that was chosen beforehand."""
    (port,) = free_ports(1)
    link = mqchaos.link("broker", port=port)
    file = configparser.ConfigParser(interpolation=None)
    file["broker"] = {
        "host": "127.0.0.1",
        "port": str(port),
        "user": link.user,
        "password": link.password,
        "vhost": link.vhost,
    }
    with (scene.folder / "worker.ini").open("w") as opened:
        file.write(opened)
    return scene.consumer(
        "configured",
        "from_file",
        name=None,
        link=link,
        env={"CONFIG": scene.folder / "worker.ini"},
        **options,
    )


@pytest.mark.chaos
def test_a_configuration_file_under_the_battery(mqchaos, scene):
    """A consumer that reads its broker from a file stands the standard battery, crash included."""
    scene.queue("classic", dead_letter="orders.dead")
    consumer = configured(mqchaos, scene)
    scene.publish()
    account = mqchaos.verify()
    assert account.verdict == "pass", text(account)
    assert consumer.name == "broker"


@pytest.mark.chaos(
    consumer_crash(before=ack(5)),
    consumer_crash(after=delivery(7), consumer="broker"),
)
def test_a_configuration_file_and_a_crash(mqchaos, scene):
    """The crash strikes the process that took the link over, and it comes back at the same address."""
    scene.queue("classic")
    consumer = configured(mqchaos, scene)
    first = consumer.pids
    scene.publish()
    account = mqchaos.verify()
    assert account.verdict == "pass", text(account)
    assert [fault.target for fault in account.faults] == ["broker"]
    assert consumer.pids != first
    assert len(scene.diary("connected")) == 2
