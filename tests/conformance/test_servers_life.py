"""How servers come and go: what runs, where it listens, what is left, and what is said when none can be had."""

import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import pytest

from pytest_mqchaos.brokers.rabbitmq import node as node_module
from pytest_mqchaos.brokers.rabbitmq.amqp import amqp_lacks
from pytest_mqchaos.brokers.rabbitmq.find import Installation
from pytest_mqchaos.errors import ServerUnavailable, UsageError
from pytest_mqchaos.servers import ServerSettings, start
from pytest_mqchaos.servers.process import free_ports
from pytest_mqchaos.servers.waiting import wait_for

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".tools" / "bin"
PROC = Path("/proc")
WANTED = os.environ.get("PYTEST_MQCHAOS_SERVERS", "process")
linux = pytest.mark.skipif(not (PROC / "self" / "fd").is_dir(), reason="looks at /proc")


def settings(kind, **changes):
    """Return the settings of a kind of servers, with the project's tool folder."""
    return ServerSettings(**{"servers": kind, "tool_folder": TOOLS, **changes})


def started(kind, directory, **changes):
    """Start servers, or skip with the reason why there are none."""
    try:
        return start(settings(kind, **changes), run=uuid.uuid4().hex[:6], directory=directory)
    except ServerUnavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """Return the servers of the kind that PYTEST_MQCHAOS_SERVERS names, with their Toxiproxy."""
    running = started(WANTED, tmp_path_factory.mktemp("life"), network="toxiproxy")
    yield running
    running.stop()


def api(server, method, path, **body):
    """Ask Toxiproxy's API."""
    connection = http.client.HTTPConnection(*server.api, timeout=10)
    try:
        connection.request(method, path, json.dumps(body) if body else None)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def processes(folder):
    """Return the pids of the processes whose environment or command names a folder."""
    found = []
    for entry in PROC.glob("[0-9]*"):
        try:
            text = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if os.fsencode(folder) in text and state != "Z":
            found.append(int(entry.name))
    return found


def listeners(pids):
    """Return the addresses that processes listen on, as the kernel writes them."""
    sockets = set()
    for pid in pids:
        for entry in (PROC / str(pid) / "fd").iterdir():
            try:
                sockets.add(str(entry.readlink()))
            except OSError:
                continue
    rows = [
        row.split()
        for table in ("tcp", "tcp6")
        for row in (PROC / "net" / table).read_text().splitlines()[1:]
    ]
    return {row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets}


def test_the_description_is_one_line_of_what_runs(servers):
    """Versions, process or container, and addresses of both servers, in one line."""
    broker, toxiproxy = servers.broker, servers.toxiproxy
    text = servers.description
    assert "\n" not in text
    word = {"process": "process ", "docker": "container "}
    assert f"RabbitMQ {broker.version} ({word[broker.kind]}" in text
    assert f"127.0.0.1:{broker.port})" in text
    assert f"Toxiproxy {toxiproxy.version} ({word[toxiproxy.kind]}" in text
    assert broker.url("a/b") == f"amqp://guest:guest@127.0.0.1:{broker.port}/a%2Fb"
    assert broker.url("v", host="h", port=1) == "amqp://guest:guest@h:1/v"


def test_a_proxy_reaches_the_broker(servers):
    """A proxy made with the address handed out and the broker's as Toxiproxy sees it serves AMQP to our side."""
    listen, (host, port) = servers.toxiproxy.listen_address()
    made = {"name": "one", "listen": listen, "upstream": servers.toxiproxy.upstream, "enabled": True}
    assert api(servers.toxiproxy, "POST", "/proxies", **made)[0] == 201
    try:
        assert amqp_lacks(host, port) is None
    finally:
        assert api(servers.toxiproxy, "DELETE", "/proxies/one")[0] == 204
        servers.toxiproxy.release(listen)
    assert servers.toxiproxy.alive()


def test_forty_links_at_once(servers):
    """Forty proxies stand beside each other, each at an address of its own."""
    handed = [servers.toxiproxy.listen_address() for _ in range(40)]
    try:
        assert len({listen for listen, _ in handed}) == len({address for _, address in handed}) == 40
    finally:
        for listen, _ in handed:
            servers.toxiproxy.release(listen)


def test_two_servers_do_not_meet(servers, tmp_path):
    """A second broker beside the first has its own address and vhosts; its restarts and end go unnoticed."""
    second = started(WANTED, tmp_path, network="wire")
    try:
        second.broker.restart()  # at once: a start is over only when the boot has ended
        second.broker.create_namespace("only-here")
        assert "only-here" not in servers.broker.namespaces()
        assert second.broker.port != servers.broker.port
    finally:
        second.stop()
    assert amqp_lacks(servers.broker.host, servers.broker.port) is None
    assert servers.broker.namespaces()


def test_the_end_leaves_nothing(tmp_path):
    """After `stop`, which may come twice, ports are closed and folders, containers and networks are gone."""
    directory = tmp_path / "made" / "for-it"
    running = started(WANTED, directory)
    port, description = running.broker.port, running.broker.description
    running.stop()
    running.stop()
    assert amqp_lacks("127.0.0.1", port) == "connection refused"
    assert not directory.exists()
    assert not running.broker.alive()
    if "container" in description:
        import docker

        client = docker.from_env()
        with_label = {"label": "mqchaos.run"}
        try:
            # Not `client.containers.list`: it asks for each, and other workers' containers come and go.
            listed = client.api.containers(all=True, filters=with_label)
            names = [name.lstrip("/") for one in listed for name in one["Names"]]
            assert not [one for one in names if one in description]
        finally:
            client.close()


needs_process = pytest.mark.skipif(WANTED == "docker", reason="PYTEST_MQCHAOS_SERVERS says docker")


@linux
@needs_process
def test_a_process_listens_on_loopback_only_and_ends_with_all_its_own(tmp_path):
    """Broker, epmd, shell and Toxiproxy listen on 127.0.0.1 alone; none of them outlives `stop`."""
    running = started("process", tmp_path)
    try:
        ours = processes(tmp_path)
        assert len(ours) >= 3
        addresses = listeners(ours)
        assert len(addresses) >= 4
        assert {address.partition(":")[0] for address in addresses} <= {"0100007F", f"{1 << 24:032X}"}
    finally:
        running.stop()
    wait_for("the helpers of the VM", lambda: None if not processes(tmp_path) else "running", timeout=5.0)
    assert list(tmp_path.iterdir()) == []


@linux
@needs_process
def test_the_brokers_end_follows_a_killed_parent(tmp_path):
    """When the session is killed with SIGKILL, broker, epmd and shell end too, also while they are frozen."""
    code = (
        "import sys, time; from pathlib import Path; from pytest_mqchaos.servers import ServerSettings, start\n"
        "s = start(ServerSettings(servers='process', network='wire'), run='gone', directory=Path(sys.argv[1]))\n"
        "print(s.broker.port, flush=True); time.sleep(60)"
    )
    session = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    with session:
        if not session.stdout.readline():
            pytest.skip("no RabbitMQ to start")
        assert len(processes(tmp_path)) >= 4
        session.kill()
    wait_for(
        "their end",
        lambda: None if not (left := processes(tmp_path)) else f"{len(left)} left",
        timeout=10.0,
    )


@needs_process
def test_an_interrupted_start_leaves_nothing(tmp_path, monkeypatch):
    """Ctrl-C while the broker boots ends what was begun, and goes on as the Ctrl-C it is."""
    if not node_module.find_installation():
        pytest.skip("no RabbitMQ")
    seen = []

    def interrupted(what, lacking, **bounds):
        seen.append(what)
        if "AMQP" in what:
            raise KeyboardInterrupt
        wait_for(what, lacking, **bounds)

    monkeypatch.setattr("pytest_mqchaos.brokers.rabbitmq.broker.wait_for", interrupted)
    with pytest.raises(KeyboardInterrupt):
        start(settings("process"), run=uuid.uuid4().hex[:8], directory=tmp_path)
    assert any("AMQP" in what for what in seen)
    assert list(tmp_path.iterdir()) == []
    if PROC.is_dir():
        wait_for("the helpers of the VM", lambda: None if not processes(tmp_path) else "running", timeout=5.0)


@needs_process
def test_a_taken_port_costs_another_try(servers, tmp_path, monkeypatch):
    """When somebody else took the port in between, the next one is used."""
    calls = []

    def ports(count):
        calls.append(count)
        fresh = free_ports(count)
        return [fresh[0], servers.broker.port, fresh[2]] if len(calls) == 1 else fresh

    monkeypatch.setattr(node_module, "free_ports", ports)
    running = started("process", tmp_path, network="wire")
    try:
        assert len(calls) == 2
        assert running.broker.port != servers.broker.port
        assert amqp_lacks(servers.broker.host, servers.broker.port) is None
    finally:
        running.stop()


def broken(tmp_path, text):
    """Return an installation whose server is a script of this text."""
    home = tmp_path / "rabbitmq"
    (home / "sbin").mkdir(parents=True)
    (home / "plugins").mkdir()
    script = home / "sbin" / "rabbitmq-server"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    real = node_module.find_installation()
    return Installation(home, real.erl, real.epmd)


@needs_process
def test_a_broker_that_does_not_start_is_one_line_with_its_last_words(tmp_path, monkeypatch):
    """The error of a broker that ends at once has its exit code and what it said, in one line."""
    installation = broken(tmp_path, "echo 'BOOT FAILED'; echo 'disk is full'; exit 3")
    monkeypatch.setattr(node_module, "find_installation", lambda _scratch: installation)
    with pytest.raises(ServerUnavailable) as caught:
        start(settings("process"), run=uuid.uuid4().hex[:8], directory=tmp_path / "run")
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith("did not start: it ended (exit code 3): disk is full")
    assert not (tmp_path / "run").exists()


@needs_process
def test_a_server_that_may_not_be_executed_is_one_line(tmp_path, monkeypatch):
    """No permission to execute the server is said as that."""
    installation = broken(tmp_path, "exit 0")
    (installation.home / "sbin" / "rabbitmq-server").chmod(0o644)
    monkeypatch.setattr(node_module, "find_installation", lambda _scratch: installation)
    with pytest.raises(ServerUnavailable, match=r"Permission denied"):
        start(settings("process"), run=uuid.uuid4().hex[:8], directory=tmp_path / "run")


def test_a_directory_that_cannot_be_written_is_one_line(tmp_path):
    """A run directory that cannot be made names itself and the reason."""
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ServerUnavailable, match=r"file/run cannot be written: Not a directory$"):
        start(settings("process"), run=uuid.uuid4().hex[:8], directory=file / "run")


@pytest.mark.parametrize(("name", "value"), [("servers", "podman"), ("network", "none")])
def test_an_unknown_setting_is_refused(tmp_path, name, value):
    """A kind of servers or network that there is not is an error that lists those there are."""
    with pytest.raises(UsageError, match=rf"^{name} is one of auto, .*, not '{value}'$"):
        start(settings("process", **{name: value}), run=uuid.uuid4().hex[:8], directory=tmp_path)


def test_no_engine_is_one_line_and_auto_goes_on(tmp_path, monkeypatch):
    """Without a Docker engine `docker` says so; `auto` says it too and tries the next kind."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    with pytest.raises(
        ServerUnavailable, match=r"docker: no Docker engine answers at unix:.*No such file"
    ) as caught:
        start(settings("docker"), run=uuid.uuid4().hex[:8], directory=tmp_path)
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(
        node_module,
        "find_installation",
        lambda _scratch: (_ for _ in ()).throw(ServerUnavailable("none here")),
    )
    with pytest.raises(
        ServerUnavailable, match=r"docker: no Docker engine answers at .*; process: none here"
    ):
        start(settings("auto"), run=uuid.uuid4().hex[:8], directory=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_remote_engine_is_refused(tmp_path, monkeypatch):
    """An engine on another host cannot serve a loopback address, and is refused before anything is started."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    with pytest.raises(ServerUnavailable, match=r"at tcp://192\.0\.2\.1:2375 is not on this host"):
        start(settings("docker"), run=uuid.uuid4().hex[:8], directory=tmp_path)


@pytest.mark.skipif(WANTED != "docker", reason="PYTEST_MQCHAOS_SERVERS does not say docker")
def test_an_image_that_is_not_to_be_had_is_named(tmp_path):
    """An image that is not there and cannot be pulled is named with the reason, and nothing is left."""
    with pytest.raises(ServerUnavailable, match="the image mqchaos/none:1 is not here and cannot be pulled"):
        start(
            settings("docker", rabbitmq_image="mqchaos/none:1"), run=uuid.uuid4().hex[:8], directory=tmp_path
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(WANTED != "docker", reason="PYTEST_MQCHAOS_SERVERS does not say docker")
def test_auto_takes_the_engine(tmp_path):
    """`auto` runs containers where an engine answers and has the images."""
    running = started("auto", tmp_path, network="wire")
    try:
        assert "(container mqchaos-" in running.broker.description
    finally:
        running.stop()


@pytest.mark.skipif(WANTED != "docker", reason="PYTEST_MQCHAOS_SERVERS does not say docker")
def test_auto_goes_on_without_the_image(tmp_path, monkeypatch):
    """Where the engine has no image and can pull none, `auto` runs processes; without those it says what was tried."""
    without = settings("auto", rabbitmq_image="mqchaos/none:1", network="wire")
    if shutil.which("rabbitmq-server"):
        running = start(without, run=uuid.uuid4().hex[:6], directory=tmp_path)
        try:
            assert "(process " in running.broker.description
        finally:
            running.stop()
    monkeypatch.setattr(
        node_module,
        "find_installation",
        lambda _scratch: (_ for _ in ()).throw(ServerUnavailable("none here")),
    )
    words = r"docker: the image mqchaos/none:1 is not here and cannot be pulled.*; process: none here$"
    with pytest.raises(ServerUnavailable, match=words):
        start(without, run=uuid.uuid4().hex[:6], directory=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(WANTED != "docker", reason="PYTEST_MQCHAOS_SERVERS does not say docker")
def test_an_image_without_rabbitmq_is_one_line(tmp_path):
    """A container in which no RabbitMQ runs (here: Toxiproxy's) is said to be none, in one line."""
    wrong = ServerSettings().toxiproxy_image
    with pytest.raises(ServerUnavailable, match=r"RabbitMQ from .* did not start: no Erlang shell") as caught:
        start(
            settings("docker", rabbitmq_image=wrong, network="wire"),
            run=uuid.uuid4().hex[:8],
            directory=tmp_path,
        )
    assert "\n" not in str(caught.value)


@needs_process
def test_without_toxiproxy_the_wire_does_its_work_unless_it_is_demanded(tmp_path, monkeypatch):
    """`auto` goes without a Toxiproxy, and says so; `toxiproxy` does not, and says how to get one."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin:/usr/sbin")
    running = started("process", tmp_path, tool_folder=tmp_path)
    try:
        assert running.toxiproxy is None
        assert running.description.endswith("no Toxiproxy: the wire does its faults")
    finally:
        running.stop()
    with pytest.raises(ServerUnavailable, match=r"no toxiproxy-server on PATH or in .*go install"):
        start(
            settings("process", network="toxiproxy", tool_folder=tmp_path),
            run=uuid.uuid4().hex[:8],
            directory=tmp_path,
        )
    assert list(tmp_path.iterdir()) == []


@linux
@needs_process
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_than_root_can_start_it():
    """A user without any rights starts and ends a broker of his own."""
    home = Path(tempfile.mkdtemp(prefix="mqchaos-nobody-"))
    os.chown(home, 65534, 65534)
    code = (
        "import os, sys; from pathlib import Path; from pytest_mqchaos.servers import ServerSettings, start\n"
        "s = start(ServerSettings(servers='process', network='wire'), run='nobody',"
        " directory=Path(sys.argv[1]))\n"
        "s.broker.create_namespace('n'); print(s.broker.census('n'), s.broker.alive())\n"
        "s.stop(); print(os.listdir(sys.argv[1]))"
    )
    try:
        said = as_nobody("-c", code, str(home), cwd=home)
    finally:
        shutil.rmtree(home)
    assert said.stdout.splitlines() == ["() True", "[]"], said.stderr[-2000:]


def as_nobody(*arguments, cwd):
    """Run a Python that everybody may run as a user without rights; the one of this session may lie in a home."""
    libraries = next(path for path in sys.path if path.endswith("site-packages"))
    options = {
        "user": 65534,
        "group": 65534,
        "extra_groups": [],
        "cwd": cwd,
        "env": {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{libraries}"},
        "capture_output": True,
        "text": True,
        "timeout": 120,
    }
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        try:
            if (
                subprocess.run(
                    [python, "-c", "import pytest_mqchaos, pika"], check=False, **options
                ).returncode
                == 0
            ):
                return subprocess.run([python, *arguments], check=False, **options)
        except OSError:
            continue
    return pytest.skip("no Python here that another user may run")
