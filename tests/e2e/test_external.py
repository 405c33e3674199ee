"""A broker that somebody else runs: runs are kept apart on it, verdicts are as sure as on our own, nothing is left."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import ssl
import subprocess
import threading
import time
import uuid
from types import SimpleNamespace

import pytest
from external_kit import DEFINED, LOSES, REJECTS, TOPOLOGY, Beside, Project, one_line, promises

from pytest_mqchaos.errors import ChaosError, ServerUnavailable
from pytest_mqchaos.servers import ServerSettings, start

pytest_plugins = ["pytester"]


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    """A RabbitMQ of our own that plays somebody else's."""
    kind = os.environ.get("PYTEST_MQCHAOS_SERVERS", "process")
    try:
        servers = start(
            ServerSettings(servers=kind, network="wire"),
            run=uuid.uuid4().hex[:8],
            directory=tmp_path_factory.mktemp("external"),
        )
    except ServerUnavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    yield servers.broker
    servers.stop()


@pytest.fixture
def url(broker):
    """Its address; nothing of a run is left when the test is done."""
    before = broker.namespaces()
    yield broker.url("/")
    assert broker.census("/") == ()
    assert [name for name in broker.topology("/").exchanges if name and not name.startswith("amq.")] == []
    assert broker.namespaces() == before


@pytest.fixture
def beside(url):
    """Somebody else on the broker."""
    found = Beside(url)
    yield found
    found.close()


@pytest.fixture
def project(pytester, monkeypatch):
    """A user's project."""
    return Project(pytester, monkeypatch)


# --- by prefix ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["auto", "wire"])
def test_no_false_alarm_by_prefix(project, url, beside, network):
    """A correct consumer passes under every fault, in the midst of others, and the broker is never disturbed."""
    beside.put("orders", b"not", b"yours")
    ran = project.run(promises("broker_restart()"), f"--mqchaos-url={url}", f"--mqchaos-network={network}")
    ran.outcomes(passed=14, skipped=2)
    assert set(ran.verdicts.values()) == {"pass"}
    assert "broker_restart(): the broker at 127.0.0.1" in ran.text
    assert "is external, and not ours to disturb: --mqchaos-container=ID permits it" in ran.text
    assert "isolation: prefix" in ran.text
    assert "guest:guest" not in ran.text + ran.report_text
    assert beside.take("orders") == [(b"not", False), (b"yours", False)]


def test_loss_by_prefix(project, url):
    """A planted loss is found with its message, and the account says how the run was kept apart."""
    ran = project.run(LOSES, f"--mqchaos-url={url}")
    ran.outcomes(failed=1)
    (finding,) = ran.findings()
    assert (finding["kind"], finding["detail"], finding["count"]) == ("lost", "by_consumer", 1)
    assert finding["messages"][0].endswith("-000007")
    assert "isolation: prefix, each name begins with 'mqchaos-" in ran.text
    assert "again: pytest" in ran.text
    assert "guest:guest" not in ran.text + ran.report_text


def test_what_a_policy_may_have_done_is_unknown(project, url):
    """Without the management API a rejected message may lie where a policy put it: neither lost nor well."""
    ran = project.run(REJECTS, f"--mqchaos-url={url}")
    assert ran.verdicts == {"baseline": "unknown"}
    (finding,) = ran.findings()
    assert finding["unknown"]
    assert "the policies of `orders` could not be asked for" in finding["claim"]
    assert (
        "mend: let the broker be asked for its policies and bindings: --mqchaos-management-url=" in ran.text
    )


def test_require_broker(project, url):
    """What is not possible fails where it must not be skipped."""
    source = "@pytest.mark.chaos(broker_restart())\ndef test_it(mqchaos): ...\n"
    ran = project.run(source, f"--mqchaos-url={url}", "--mqchaos-require=broker")
    ran.outcomes(errors=1)
    one_line(ran, "not ours to disturb")


def test_restart_by_hand(project, url):
    """By hand it is refused at the lowest layer."""
    source = """
@pytest.mark.chaos(baseline())
def test_it(mqchaos, work):
    mqchaos.queue("orders")
    work()
    mqchaos.broker.restart()
"""
    ran = project.run(source, f"--mqchaos-url={url}")
    ran.outcomes(failed=1)
    one_line(ran, "not ours to disturb")


def test_topology_of_the_consumer(project, url):
    """What the consumer declares and binds is known from the wire, and removed with the run."""
    source = """
@pytest.mark.chaos(baseline(), connection_drop(after=delivery(5)))
def test_it(mqchaos, work):
    work("declares", queue=None)
    assert mqchaos.prefix
"""
    ran = project.run(source, f"--mqchaos-url={url}")
    ran.outcomes(passed=2)


@pytest.mark.parametrize("isolation", ["prefix", "none"])
def test_definitions(project, url, isolation):
    """What a file defines is made under the run's names, with all that its arguments name, and removed with the run."""
    (project.path / "definitions.json").write_text(json.dumps(TOPOLOGY))
    ran = project.run(DEFINED, f"--mqchaos-url={url}", f"--mqchaos-isolation={isolation}", "-rP")
    ran.outcomes(passed=3)
    assert "x-message-ttl of orders from 300,000 to 150,000 ms" in ran.text


@pytest.mark.parametrize("isolation", ["prefix", "none"])
def test_definitions_with_policies(project, url, isolation):
    """A policy would be everybody's: nothing of the file is made, and one line says what it needs."""
    policy = {"name": "all", "vhost": "/", "pattern": ".*", "definition": {"message-ttl": 1}}
    (project.path / "definitions.json").write_text(json.dumps({**TOPOLOGY, "policies": [policy]}))
    ran = project.run(DEFINED, f"--mqchaos-url={url}", f"--mqchaos-isolation={isolation}")
    ran.outcomes(failed=3)
    one_line(ran, "its policies (all) need a vhost of the run's own, --mqchaos-isolation=vhost (here: ")


def test_definitions_with_everybodys_exchanges(project, url):
    """Nor is anything bound to an exchange that everybody has."""
    binding = {"source": "amq.topic", "vhost": "/", "destination": "orders", "destination_type": "queue"}
    (project.path / "definitions.json").write_text(json.dumps({**TOPOLOGY, "bindings": [binding]}))
    ran = project.run(DEFINED, f"--mqchaos-url={url}")
    ran.outcomes(failed=3)
    one_line(ran, "'amq.topic' is everybody's where runs are kept apart by prefix")


def test_queues_that_nobody_else_may_ask(project, url):
    """An exclusive queue of each consumer behind a fan-out is counted by the wire alone."""
    source = """
@pytest.mark.chaos(baseline(), guarantee="exactly-once")
def test_it(mqchaos, work):
    mqchaos.queue("orders")
    work("listens", replicas=2)
    mqchaos.publish(exchange="events", count=20, expect=2, key="order")
"""
    ran = project.run(source, f"--mqchaos-url={url}")
    ran.outcomes(passed=1)
    assert ran.verdicts == {"baseline": "pass"}


@pytest.mark.parametrize("isolation", ["prefix", "none"])
def test_interrupted(project, url, isolation):
    """Ctrl-C in the middle of a test leaves nothing."""
    source = """
@pytest.mark.chaos(baseline())
def test_it(mqchaos, work):
    mqchaos.queue("orders", dead_letter="orders.dead")
    mqchaos.exchange("events")
    work(env={"WORK": "0.5"})
    raise KeyboardInterrupt
"""
    ran = project.run(source, f"--mqchaos-url={url}", f"--mqchaos-isolation={isolation}")
    assert ran.result.ret == pytest.ExitCode.INTERRUPTED


@pytest.mark.parametrize("isolation", ["prefix", "none"])
def test_killed(project, url, broker, isolation, tmp_path, monkeypatch):
    """Neither does SIGKILL: the guard removes what the run has made, the lock of the place among it."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    source = """
import os, pathlib, signal, tempfile

@pytest.mark.chaos(baseline())
def test_it(mqchaos, work):
    mqchaos.queue("orders", dead_letter="orders.dead")
    mqchaos.exchange("events")
    work(env={"WORK": "0.5"})
    pathlib.Path("locks").write_text(str(len([*pathlib.Path(tempfile.gettempdir()).glob("mqchaos-*.lock")])))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    ran = project.run(source, f"--mqchaos-url={url}", f"--mqchaos-isolation={isolation}")
    assert ran.result.ret == -signal.SIGKILL
    assert (project.path / "locks").read_text() == str(int(isolation == "none"))
    deadline = time.monotonic() + 15
    while (broker.census("/") or [*tmp_path.glob("mqchaos-*")]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [*tmp_path.glob("mqchaos-*")] == []


def test_a_consumer_that_ignores_the_prefix(project, url, beside):
    """It is kept from the messages of others, and told how names are to be made."""
    beside.put("orders", b"not yours")
    source = """
@pytest.mark.chaos(baseline())
def test_it(mqchaos, work):
    mqchaos.queue("orders")
    work("ignores_prefix")
"""
    ran = project.run(source, f"--mqchaos-url={url}")
    ran.outcomes(failed=1)
    one_line(ran, "worker reads 'orders', which has not this run's prefix")
    assert "$MQCHAOS_PREFIX" in ran.text
    assert [body for body, _ in beside.take("orders")] == [b"not yours"]
    assert not (project.path / "log").exists()


def test_stranger_among_the_consumers(project, url):
    """What a consumer past our links has in hand nobody knows: unknown, and it says why."""
    source = """
import pika

@pytest.mark.chaos(baseline(), settle_timeout=3)
def test_it(mqchaos, work):
    mqchaos.queue("orders")
    connection = pika.BlockingConnection(pika.URLParameters(mqchaos.url))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=5)
    channel.basic_consume(mqchaos.prefix + "orders", lambda *_: None)
    work()
    try:
        account = mqchaos.settle()
        assert account.verdict == "unknown", account.text()
        assert "1 of its consumers is not on a link of this run" in account.text(), account.text()
    finally:
        connection.close()
"""
    ran = project.run(source, f"--mqchaos-url={url}", "--no-mqchaos-strict")
    assert "AssertionError" not in ran.text, ran.text
    assert ran.verdicts["baseline"] in ("unknown", "pass")


# --- on names as they are ------------------------------------------------------------------------------------


def test_none(project, url, beside):
    """On the names as they are verdicts are the same; what was there stays, what the run made goes."""
    beside.channel.queue_declare("elsewhere", durable=True)
    source = promises(kinds=("classic",)) + LOSES
    ran = project.run(source, f"--mqchaos-url={url}", "--mqchaos-isolation=none")
    ran.outcomes(passed=7, failed=1)
    assert [finding["kind"] for finding in ran.findings("test_loss")] == ["lost"]
    assert beside.take("elsewhere") == []


def test_none_leaves_what_was_there_before(project, url, beside):
    """A queue that is there already is used, emptied of our messages only, and kept."""
    beside.put("orders")
    source = """
@pytest.mark.chaos(baseline(), settle_timeout=2)
def test_it(mqchaos, work):
    work(count=5)
    mqchaos.settle()
    mqchaos.publish("orders", count=3)
    raise RuntimeError("in the middle of it")
"""
    ran = project.run(source, f"--mqchaos-url={url}", "--mqchaos-isolation=none")
    ran.outcomes(failed=1)
    assert beside.take("orders") == []


@pytest.mark.parametrize("how", ["publish", "declares", "reads"])
def test_none_refuses_queues_that_hold_messages(project, url, beside, how):
    """However the queue comes into play, nobody touches what is in it."""
    beside.put("orders", b"precious", b"too")
    source = f"""
@pytest.mark.chaos(baseline())
def test_it(mqchaos, tmp_path):
    if {how!r} == "publish":
        mqchaos.publish("orders", count=3)
    mqchaos.consumer(["python", "worker.py"], queues={("orders",) if how == "declares" else None!r},
                     env={{"LOG": str(tmp_path / "log")}})
    mqchaos.publish("orders", count=3)
"""
    ran = project.run(source, f"--mqchaos-url={url}", "--mqchaos-isolation=none")
    ran.outcomes(failed=1)
    one_line(ran, "the queue 'orders' holds")
    assert "from before the test: --mqchaos-isolation=none is for queues that nobody else uses" in ran.text
    assert sorted(body for body, _ in beside.take("orders")) == [b"precious", b"too"]


def test_none_takes_a_lock(project, url):
    """Two sessions on the same names: the second is refused, and knows why."""
    from pytest_mqchaos.brokers import launcher
    from pytest_mqchaos.brokers._protocol import External
    from pytest_mqchaos.servers.external import _lock

    guard = SimpleNamespace(errand=lambda *said: None, done=lambda *said: None)
    with contextlib.ExitStack() as ending:
        place = launcher("rabbitmq").external_place(External(url=url))[2]
        _lock(place, "--mqchaos-isolation=none", guard, ending)
        ran = project.run(LOSES, f"--mqchaos-url={url}", "--mqchaos-isolation=none")
        with pytest.raises(ChaosError, match="another session"):
            _lock(place, "--mqchaos-isolation=none", guard, ending)
    ran.outcomes(errors=1)
    one_line(ran, "--mqchaos-isolation=none: another session uses 127.0.0.1:")


def test_none_refuses_xdist(project, url):
    """Workers would meet in the same queues."""
    ran = project.run(LOSES, f"--mqchaos-url={url}", "--mqchaos-isolation=none", "-n1")
    ran.outcomes(errors=1)
    one_line(ran, "--mqchaos-isolation=none: not with pytest-xdist (-n)")


# --- what is wrong -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (
            lambda url: url.replace("guest:guest", "guest:s3cr3t-wrong"),
            "the broker refuses: 403 ACCESS_REFUSED",
        ),
        (lambda url: url.replace("%2F", "no-such-vhost"), "the broker refuses: 530 NOT_ALLOWED"),
        (
            lambda url: url.replace("127.0.0.1", "192.0.2.1"),
            "'192.0.2.1' is not on this host: --mqchaos-allow-remote",
        ),
    ],
)
def test_refused(project, url, made, said):
    """Wrong credentials, a vhost there is not, a host that is not this one: an error in one line, password unseen."""
    ran = project.run(LOSES, f"--mqchaos-url={made(url)}")
    ran.outcomes(errors=1)
    one_line(ran, said)
    assert "s3cr3t" not in ran.text
    assert "guest:guest" not in ran.text


def test_nobody_there(project, monkeypatch):
    """Nobody at the address: an error, for somebody named it; the line says how."""
    monkeypatch.setenv("PYTEST_MQCHAOS_URL", "amqp://me:s3cr3t@127.0.0.1:9/")
    ran = project.run(LOSES)
    ran.outcomes(errors=1)
    one_line(ran, "no broker at PYTEST_MQCHAOS_URL=amqp://***@127.0.0.1:9/: connection refused")
    assert "s3cr3t" not in ran.text


def test_vhost_without_the_api(project, url):
    """A vhost of its own needs the management API, and that is said."""
    ran = project.run(LOSES, f"--mqchaos-url={url}", "--mqchaos-isolation=vhost")
    ran.outcomes(errors=1)
    one_line(ran, "--mqchaos-isolation=vhost: no management API")


def test_the_password_stays_unseen(project, url, broker, monkeypatch):
    """Not even a consumer that prints it brings it into the report."""
    chatty = (
        (project.path / "worker.py")
        .read_text()
        .replace("def on_order", "print(os.environ['AMQP_URL'])\ndef on_order")
    )
    (project.path / "worker.py").write_text(chatty)
    monkeypatch.setenv("PYTEST_MQCHAOS_URL", url)
    ran = project.run(LOSES)
    ran.outcomes(failed=1)
    assert "output of worker" in ran.text
    assert "guest:guest" not in ran.text + ran.report_text


# --- by TLS --------------------------------------------------------------------------------------------------


class TlsFront:
    """TLS in front of a broker, as a load balancer does it."""

    def __init__(self, folder, host, port):
        self.certificate = folder / "cert.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost", "-keyout",
             str(folder / "key.pem"), "-out", str(self.certificate)],
            check=True, capture_output=True,
        )  # fmt: skip
        self.loop = asyncio.new_event_loop()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, folder / "key.pem")

        async def relay(reader, writer):
            async def pump(source, sink):
                with contextlib.suppress(OSError):
                    while data := await source.read(65536):
                        sink.write(data)
                        await sink.drain()
                with contextlib.suppress(OSError, RuntimeError):
                    sink.close()

            inner_reader, inner_writer = await asyncio.open_connection(host, port)
            await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

        async def serve():
            self.server = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context)

        self.loop.run_until_complete(serve())
        self.port = self.server.sockets[0].getsockname()[1]
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def close(self):
        """End it."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)

        async def end():
            self.server.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0.1)

        self.loop.run_until_complete(end())
        self.loop.close()


@pytest.fixture
def front(tmp_path, broker):
    """TLS in front of the broker."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl")
    found = TlsFront(tmp_path, broker.host, broker.port)
    yield found
    found.close()


@pytest.mark.parametrize("network", ["auto", "wire"])
def test_tls(project, url, front, network):
    """The wire speaks TLS to the broker and plain text to the consumer; faults and verdicts are the same."""
    secure = f"amqps://guest:guest@localhost:{front.port}/?cacertfile={front.certificate}"
    ran = project.run(
        promises(kinds=("classic",)) + LOSES,
        f"--mqchaos-url={secure}",
        f"--mqchaos-network={network}",
    )
    ran.outcomes(passed=7, failed=1)
    assert [finding["kind"] for finding in ran.findings()] == ["lost"]
    assert "by TLS, isolation: prefix" in ran.text


def test_tls_that_is_not_trusted(project, url, front):
    """A certificate that nobody vouches for: one line that says how to name the authority."""
    ran = project.run(LOSES, f"--mqchaos-url=amqps://guest:guest@localhost:{front.port}/")
    ran.outcomes(errors=1)
    one_line(ran, "its certificate is not trusted")
    assert "?cacertfile=" in ran.text
