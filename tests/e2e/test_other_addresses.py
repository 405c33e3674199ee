"""Consumers that find the broker otherwise than by a URL in their environment: a configuration file, host and port."""

import configparser
import re

import pytest
from consumers import correct
from e2e_kit import text

from pytest_mqchaos import ChaosError, UsageError, ack, baseline, connection_drop, consumer_crash, delivery
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


@pytest.fixture
def apart(scene):
    """Start a consumer that takes host and port, and more, from variables of its own."""

    def start(kind="apart", **rabbit):
        rabbit = {"host": "{host}", "port": "{port}", **rabbit}
        env = {f"RABBIT_{name.upper()}": value for name, value in rabbit.items()}
        return scene.consumer("configured", kind, env=env, ready_timeout=4.0)

    return start


@pytest.mark.chaos(baseline(), connection_drop(after=delivery(5)))
@pytest.mark.parametrize("kind", ["apart", "two_vhosts"])
def test_host_port_and_vhost_apart(mqchaos, scene, apart, kind):
    """With the vhost besides host and port it is where the messages are, also with another vhost besides."""
    scene.queue("classic")
    apart(kind, vhost="{vhost}", user="{user}", password="{password}")
    scene.publish()
    account = mqchaos.verify()
    assert account.verdict == "pass", text(account)


def ends_well(mqchaos, scene):
    """Let the run of a test end well, with another consumer than the one that was refused."""
    scene.forked(correct.ack_after_work, name="other")
    scene.publish(count=5)
    mqchaos.verify()


@pytest.mark.chaos(baseline())
@pytest.mark.parametrize("kind", ["apart", "declares_apart"])
def test_host_and_port_without_the_vhost(mqchaos, scene, apart, kind):
    """It is in another vhost, whether it finds no queue there or makes one: that is told, with what it lacks."""
    scene.queue("classic")
    own = re.escape(mqchaos.url.rpartition("/")[2])
    with pytest.raises(
        ChaosError,
        match=rf"it is connected to vhost '/', and this run's is '{own}': take {{vhost}} besides {{host}}",
    ):
        apart(kind)
    ends_well(mqchaos, scene)


@pytest.mark.chaos(baseline())
@pytest.mark.parametrize(
    ("kind", "wrong", "said"),
    [
        ("apart", {"vhost": "shop"}, "530 NOT_ALLOWED - vhost shop not found"),
        ("never_gives_up", {"vhost": "shop"}, "530 NOT_ALLOWED - vhost shop not found"),
        ("never_gives_up", {"user": "shop"}, "403 ACCESS_REFUSED - Login was refused"),
    ],
)
def test_a_connection_that_the_broker_refuses(mqchaos, scene, apart, kind, wrong, said):
    """A vhost or a user that stands in the program: the broker's words are told, whether it ended or not."""
    scene.queue("classic")
    with pytest.raises(
        ChaosError, match=rf"the broker refused its connection: {said}.*; take {{vhost}}, {{user}}"
    ):
        apart(kind, **wrong)
    ends_well(mqchaos, scene)


@pytest.mark.chaos(baseline())
def test_a_link_that_the_process_was_not_given(mqchaos, scene, apart):
    """A process on a link that the test opened, without `link=` or by its name alone, is told how it has it."""
    scene.queue("classic")
    link = mqchaos.link("broker")
    with pytest.raises(
        ChaosError, match=r"that is the link 'broker' of the test: consumer\(\.\.\., link=link\)"
    ):
        apart(port=link.port, vhost="{vhost}")
    with pytest.raises(
        UsageError, match=r"name='broker' is taken in this test, by a link: consumer\(\.\.\., link=link"
    ):
        scene.forked(correct.ack_after_work, name="broker")
    scene.publish(count=5)
    mqchaos.verify()
