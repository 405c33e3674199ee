"""A broker of somebody else's in a container: a vhost for each run by its management API, and what may be disturbed."""

import json
import secrets
import signal
import urllib.parse
import urllib.request

import pytest
from external_kit import DEFINED, LOSES, REJECTS, TOPOLOGY, Project, one_line, promises
from service_kit import IMAGE, PASSWORD, Service, engine_client

from pytest_mqchaos.brokers.rabbitmq.place import own_name

pytest_plugins = ["pytester"]


@pytest.fixture(scope="module")
def client():
    """The engine's client, where there is one that has the image."""
    client = engine_client()
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


def test_definitions_by_vhost(project, whole):
    """A file's policies are set in the run's own vhost, by the API, and are in force there alone."""
    policy = {"name": "dlx", "vhost": "/", "pattern": "^orders$", "apply-to": "queues", "priority": 1,
              "definition": {"dead-letter-exchange": "dead", "dead-letter-routing-key": "orders"}}  # fmt: skip
    orders = {"name": "orders", "vhost": "/", "durable": True, "arguments": {"x-queue-type": "quorum"}}
    said = {**TOPOLOGY, "policies": [policy], "queues": [orders, *TOPOLOGY["queues"][1:]]}
    (project.path / "definitions.json").write_text(json.dumps(said))
    ran = project.run(
        DEFINED, f"--mqchaos-url={whole.url}", f"--mqchaos-management-url={whole.management}", "-rP"
    )
    ran.outcomes(passed=3)
    assert "1 policy (dlx)" in ran.text
    assert whole.ask("GET", "/policies") == []


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
    """By its name alone nothing is removed; what seems to be left of a run of long ago is told, with its mend."""
    old, young, other = "mqchaos-k3f9-00001beef", own_name("mqchaos-k3f9"), "mqchaos-of-somebody"
    for name in (old, young, other):
        whole.ask("PUT", f"/vhosts/{name}", {})
    try:
        ran = project.run(
            LOSES,
            f"--mqchaos-url={whole.url}",
            f"--mqchaos-management-url={whole.management}",
        )
        assert {old, young, other} <= set(whole.vhosts)
        assert (
            f"of runs that began over a day ago there are vhost {old}; `rabbitmqctl delete_vhost NAME`"
            in ran.text
        )
    finally:
        for name in {old, young, other} & set(whole.vhosts):
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


@pytest.fixture
def far(client, whole):
    """A network of its own that the service is on, too: our containers do not reach it there."""
    network = client.networks.create(f"somebodys-{secrets.token_hex(3)}")
    network.connect(whole.container)
    yield network.name
    network.disconnect(whole.container)
    network.remove()


@pytest.mark.parametrize("where", ["bridge", "far"])
def test_on_another_host(project, whole, far, monkeypatch, where):
    """Toxiproxy runs in a container if it reaches the broker from there; else the wire does its work, and says so."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    address = whole.address("bridge" if where == "bridge" else far)
    url = whole.url.replace(f"127.0.0.1:{whole.port}", f"{address}:5672")
    tests = promises(kinds=("classic",))
    ran = project.run(
        tests, f"--mqchaos-url={url}", "--mqchaos-allow-remote", "-k", "drop", "--mqchaos-isolation=prefix"
    )
    ran.outcomes(passed=1, deselected=6)
    said = "Toxiproxy" if where == "bridge" else "no Toxiproxy: the wire does its faults"
    assert f"isolation: prefix), {said}" in ran.text
