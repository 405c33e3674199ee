"""What the tests of external brokers share: a project of a user's, and runs of pytest on it."""

import json
import os
import re
from pathlib import Path

import pika

import pytest_mqchaos

ROOT = Path(pytest_mqchaos.__file__).parents[1]
WORKER = """
import json, os, sys, time
import pika

PREFIX = "" if "ignores_prefix" in sys.argv else os.environ["MQCHAOS_PREFIX"]


def on_order(channel, method, properties, body):
    try:
        order = json.loads(body)["order"]
    except (ValueError, TypeError, KeyError):
        channel.basic_reject(method.delivery_tag, requeue=False)
        return
    if "rejects" in sys.argv and order.endswith("3"):
        channel.basic_reject(method.delivery_tag, requeue=False)
        return
    if "acks_first" in sys.argv:
        channel.basic_ack(method.delivery_tag)
        time.sleep(0.1)
    time.sleep(float(os.environ.get("WORK", "0.005")))
    with open(os.environ["LOG"], "a") as log:
        log.write(f"{order}\\n")
    if "acks_first" not in sys.argv:
        channel.basic_ack(method.delivery_tag)


while True:
    try:
        connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
        channel = connection.channel()
        if "declares" in sys.argv:
            channel.exchange_declare(PREFIX + "events", "topic", durable=True)
            channel.queue_declare(PREFIX + "orders", durable=True)
            channel.queue_bind(PREFIX + "orders", PREFIX + "events", "orders.#")
        if "listens" in sys.argv:
            channel.exchange_declare(PREFIX + "events", "fanout", durable=True)
            own = channel.queue_declare("", exclusive=True).method.queue
            channel.queue_bind(own, PREFIX + "events")
            channel.basic_consume(own, on_order)
        channel.basic_qos(prefetch_count=10)
        channel.basic_consume(PREFIX + "orders", on_order)
        channel.start_consuming()
    except pika.exceptions.AMQPError:
        time.sleep(0.05)
"""
IMPORTS = """
import pytest
from pytest_mqchaos import (ack, baseline, broker_restart, connection_drop, connection_reset, consumer_crash, delivery,
                            lost_ack, malformed_payload, refuse)


@pytest.fixture
def work(mqchaos, tmp_path):
    log = tmp_path / "log"

    def start(*arguments, count=40, queue="orders", **options):
        env = {"LOG": str(log), **options.pop("env", {})}
        mqchaos.consumer(["python", "worker.py", *arguments], env=env, **options)
        mqchaos.effects(log)
        mqchaos.publish(queue, count=count, key="order") if queue else mqchaos.publish(
            exchange="events", routing_key="orders.new", count=count, key="order")
    return start
"""


LOSES = """
@pytest.mark.chaos(consumer_crash(after=ack(7)))
def test_loss(mqchaos, work):
    mqchaos.queue("orders")
    work("acks_first")
"""
REJECTS = """
@pytest.mark.chaos(baseline(), settle_timeout=8)
def test_rejects(mqchaos, work):
    mqchaos.queue("orders")
    work("rejects")
"""


TOPOLOGY = {
    "queues": [
        {"name": "orders", "vhost": "/", "durable": True, "arguments": {
            "x-dead-letter-exchange": "dead", "x-dead-letter-routing-key": "orders", "x-message-ttl": 300_000}},
        {"name": "orders.dead", "vhost": "/", "durable": True, "auto_delete": False, "arguments": {}},
        {"name": "unrouted", "vhost": "/", "durable": True, "auto_delete": False, "arguments": {}},
    ],
    "exchanges": [
        {"name": "events", "vhost": "/", "type": "topic", "arguments": {"alternate-exchange": "lost-and-found"}},
        {"name": "lost-and-found", "vhost": "/", "type": "fanout", "durable": True, "arguments": {}},
        {"name": "inner", "vhost": "/", "type": "topic", "internal": True, "arguments": {}},
        {"name": "dead", "vhost": "/", "type": "headers", "durable": True, "arguments": {}},
    ],
    "bindings": [
        {"source": "events", "vhost": "/", "destination": "inner", "destination_type": "exchange", "routing_key": "#"},
        {"source": "inner", "vhost": "/", "destination": "orders", "destination_type": "queue", "routing_key": "*.new"},
        {"source": "lost-and-found", "vhost": "/", "destination": "unrouted", "destination_type": "queue"},
        {"source": "dead", "vhost": "/", "destination": "orders.dead", "destination_type": "queue",
         "routing_key": "", "arguments": {}},
    ],
}  # fmt: skip
"""What somebody's file of definitions says: bindings between exchanges, an alternate exchange, dead letters."""
DEFINED = """
@pytest.mark.chaos(baseline(), connection_drop(after=delivery(3)), malformed_payload(share=0.1), poison="dead-letter")
def test_defined(mqchaos, work):
    print(mqchaos.definitions("definitions.json", ttl_scale=0.5))
    mqchaos.dead_letters("orders.dead")
    work(queue=None)
"""


def promises(*more, kinds=("classic", "quorum")):
    """Return the tests of a consumer that keeps at-least-once under every fault that needs no broker of ours."""
    return f"""
@pytest.mark.parametrize("kind", {kinds!r})
@pytest.mark.chaos(
    baseline(), connection_drop(after=delivery(3)), connection_reset(after=delivery(5)), refuse(duration=0.3),
    consumer_crash(after=ack(7)), lost_ack(before=ack(5)), malformed_payload(share=0.1), {", ".join(more)}
)
def test_orders(mqchaos, work, kind):
    mqchaos.queue("orders", arguments={{"x-queue-type": kind}}, dead_letter="orders.dead")
    work()
"""


def one_line(ran, said):
    """Assert that every error and failure of a run is one line that says so."""
    lines = [line for line in ran.text.splitlines() if line.startswith(("ERROR ", "FAILED "))]
    assert lines, ran.text
    for line in lines:
        assert said in line, ran.text
    assert "Traceback" not in ran.text


class Project:
    """A user's project in a directory of its own, and what a run of pytest on it said."""

    def __init__(self, pytester, monkeypatch):
        self.pytester = pytester
        self.path = pytester.path
        for name in list(os.environ):
            if name.startswith(("PYTEST_MQCHAOS_", "PYTEST_XDIST_")) or name in ("CI", "PYTEST_ADDOPTS"):
                monkeypatch.delenv(name)
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        monkeypatch.setenv("COLUMNS", "240")
        (self.path / "worker.py").write_text(WORKER)

    def run(self, tests, *options, wait=240):
        """Write the tests, run them, and return what came of it."""
        (self.path / "test_orders.py").write_text(IMPORTS + tests)
        plugins = ("-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:randomly")
        return Ran(self, self.pytester.runpytest_subprocess(*plugins, "-rsfE", *options, timeout=wait))


class Ran:
    """One run of pytest."""

    def __init__(self, project, result):
        self.result = result
        self.text = result.stdout.str() + result.stderr.str()
        report = project.path / "mqchaos-report" / "report.json"
        self.report_text = report.read_text() if report.exists() else ""
        self.report = json.loads(self.report_text) if self.report_text else {"runs": [], "servers": {}}

    def outcomes(self, **expected):
        """Assert what pytest counted."""
        counted = {
            name: count
            for name, count in self.result.parseoutcomes().items()
            if name not in ("warnings", "warning")
        }
        assert counted == expected, self.text

    @property
    def verdicts(self):
        """The verdict of each run by its scenario and parameters."""
        return {re.sub(r".*\[(.*)\]", r"\1", run["nodeid"]): run["verdict"] for run in self.report["runs"]}

    def findings(self, name=""):
        """The violations of the runs whose node id has `name` in it."""
        return [
            finding
            for run in self.report["runs"]
            if name in run["nodeid"]
            for finding in run["findings"]
            if finding["violation"]
        ]


class Beside:
    """What other people do on the same broker, past every link."""

    def __init__(self, url):
        self.connection = pika.BlockingConnection(pika.URLParameters(url))
        self.channel = self.connection.channel()

    def put(self, queue, *bodies):
        """Fill a queue of theirs."""
        self.channel.queue_declare(queue, durable=True)
        self.channel.confirm_delivery()
        for body in bodies:
            self.channel.basic_publish("", queue, body)

    def take(self, queue):
        """Return what is in a queue of theirs, each with whether it was delivered before; the queue is gone then."""
        found = []
        while (got := self.channel.basic_get(queue, auto_ack=True))[0] is not None:
            found.append((got[2], got[0].redelivered))
        self.channel.queue_delete(queue)
        return found

    def ready(self, queue):
        """Return how many messages are ready, None where there is no such queue."""
        channel = self.connection.channel()
        try:
            return channel.queue_declare(queue, passive=True).method.message_count
        except pika.exceptions.ChannelClosedByBroker:
            return None

    def close(self):
        """Leave."""
        self.connection.close()
