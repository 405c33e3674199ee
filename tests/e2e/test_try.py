"""`python -m pytest_mqchaos try` on real servers: workers of Node and Python, right and wrong ones."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ends_kit import children, until

ROOT = Path(__file__).parents[2]
NODE = ROOT / "examples" / "orders_node"
PYTHON = """
import json, os, sys, time
import pika
from pytest_mqchaos import probe

def on_order(channel, method, properties, body):
    order = json.loads(body)["number"]
    if "ack_first" in sys.argv:
        channel.basic_ack(method.delivery_tag)
    time.sleep(0.02)
    if "prints" in sys.argv:
        print("booked", order)
    else:
        probe.effect(order)
    if "ack_first" not in sys.argv:
        channel.basic_ack(method.delivery_tag)

while True:
    try:
        connection = pika.BlockingConnection(pika.URLParameters(os.environ["BROKER"]))
        channel = connection.channel()
        if "declares_nothing" not in sys.argv:
            channel.queue_declare("orders", durable=True)
        channel.basic_qos(prefetch_count=10)
        channel.basic_consume("orders", on_order)
        channel.start_consuming()
    except pika.exceptions.AMQPError:
        time.sleep(0.1)
"""
DEFINITIONS = """{
    "queues": [{"name": "orders", "vhost": "/", "durable": true, "auto_delete": false, "arguments": {}}],
    "exchanges": [{"name": "shop", "vhost": "/", "type": "topic", "durable": true, "arguments": {}}],
    "bindings": [{"source": "shop", "vhost": "/", "destination": "orders", "destination_type": "queue",
                  "routing_key": "order.#", "arguments": {}}]
}"""


class Project:
    """A folder with workers, in which `try` is typed."""

    def __init__(self, house):
        self.house = house
        self.folder = house.folder / "project"
        shutil.copytree(NODE, self.folder, ignore=lambda *_: {"node_modules"})
        (self.folder / "worker.py").write_text(PYTHON)
        (self.folder / "order.json").write_text('{"number": "A-17", "customer": {"name": "c"}}')
        house.temporary.mkdir(exist_ok=True)

    def begin(self, *words):
        """Start it as the leader of a process group, as a terminal does."""
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
        with (self.folder / "out").open("wb") as out:
            return subprocess.Popen(
                [sys.executable, "-m", "pytest_mqchaos", "try", *words],
                env={**os.environ, "TMPDIR": str(self.house.temporary), "PYTHONPATH": path,
                     "NODE_PATH": str(NODE / "node_modules"), "ORDERS_LOG": str(self.folder / "orders.log")},
                cwd=self.folder, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def said(self):
        """Return what it printed."""
        return (self.folder / "out").read_text()

    def run(self, *words, status):
        """Run it to its end, after which nothing runs any more; returns what it printed."""
        process = self.begin(*words)
        try:
            process.wait(240)
        finally:
            process.kill()
        assert process.returncode == status, self.said()
        self.house.nothing_left()
        return self.said()


@pytest.fixture
def project(house, program):
    """A project with a worker of Node."""
    program("amqplib")  # says what is missing for it
    return Project(house)


def test_a_node_worker_that_acks_first(project):
    """What it loses is found with nothing but a command; the written test finds it again."""
    words = ["node wrong/ack_first.js", "--queue", "orders", "--effects", "orders.log"]
    words += ["--scenario", "baseline", "--scenario", "consumer_crash:after=ack:17"]
    said = project.run(*words, "--write", "test_orders.py", status=1)
    assert "\nbaseline: 50 messages, 50 effected: at-least-once (" in said
    assert "\nconsumer_crash-after-ack-17: lost: 1 of 50 messages" in said
    assert "<- before its effect" in said
    again = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "test_orders.py", "-k", "consumer_crash"],
        env={**os.environ, "NODE_PATH": str(NODE / "node_modules"), "ORDERS_LOG": str(project.folder / "orders.log"),
             "TMPDIR": str(project.house.temporary)},
        cwd=project.folder, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert again.returncode == 1, again.stdout
    assert "lost: 1 of 50 messages" in again.stdout


def test_a_node_worker_that_is_right(project):
    """It keeps exactly-once under the whole battery."""
    words = ["--queue", "orders", "--effects", "orders.log", "--guarantee", "exactly-once"]
    said = project.run("node worker.js", *words, "--count", "30", status=0)
    assert "5 chaos tests" in said
    assert "all as promised" in said


def test_kept_servers_are_had_again(project):
    """They belong to the folder that the command is typed in, not to the one its test file stands in for a while."""
    words = [
        "--queue",
        "orders",
        "--effects",
        "orders.log",
        "--count",
        "5",
        "--scenario",
        "baseline",
        "--keep",
    ]
    servers = []
    try:
        for _ in range(2):
            process = project.begin("node worker.js", *words)
            assert process.wait(240) == 0, project.said()
            servers += [line for line in project.said().splitlines() if line.startswith("RabbitMQ ")]
    finally:
        stop = [sys.executable, "-m", "pytest_mqchaos", "stop"]
        subprocess.run(stop, env={**os.environ, "TMPDIR": str(project.house.temporary)}, cwd=ROOT, check=True)
    assert len(servers) == 2
    assert servers[0] == servers[1]
    project.house.nothing_left()


def test_the_brokers_view(project):
    """Without a place where its work shows, acks count; that is said, with what would show the work."""
    words = ["--queue", "orders", "--scenario", "consumer_crash:after=ack:5", "--count", "20"]
    said = project.run("node wrong/ack_first.js", *words, status=0)
    assert "(broker's view)" in said
    assert said.endswith("appended to $MQCHAOS_EFFECTS, or by probe.effect(id) in Python\n")


@pytest.mark.parametrize(("how", "status"), [("ack_last", 0), ("ack_first", 1)])
def test_a_python_worker_with_the_probe(project, how, status):
    """Its work shows by itself; its key is a text of the example's, its address a variable of its own."""
    words = ["--queue", "orders", "--body", "order.json", "--env", "BROKER={url}"]
    scenarios = [
        "--scenario",
        "consumer_crash:after=ack:5",
        "--scenario",
        "connection_reset:after=delivery:3",
    ]
    said = project.run(f"python worker.py {how}", *words, *scenarios, status=status)
    assert "each with a key of its own (`number`, guessed: --key FIELD names another)" in said
    assert ("consumer_crash-after-ack-5: lost: 1 of 50 messages" in said) == bool(status)
    assert "broker's view" not in said


@pytest.mark.parametrize(("how", "status"), [("ack_last", 0), ("ack_first", 1)])
def test_a_worker_whose_work_shows_in_what_it_prints(project, how, status):
    """Lines of its output are where effects are looked for; what it lost is found there."""
    words = ["--queue", "orders", "--body", "order.json", "--env", "BROKER={url}", "--count", "20"]
    words += ["--effects-output", "booked (.+)", "--scenario", "consumer_crash:after=ack:5"]
    said = project.run(f"python worker.py prints {how}", *words, status=status)
    line = "lost: 1 of 20 messages" if status else "20 messages, 20 effected"
    assert f"consumer_crash-after-ack-5: {line}" in said
    assert "broker's view" not in said


def test_a_worker_whose_queue_the_ops_team_declares(project):
    """The topology comes out of the file of definitions: without it there is neither its queue nor an exchange."""
    (project.folder / "definitions.json").write_text(DEFINITIONS)
    words = [
        "--exchange",
        "shop",
        "--routing-key",
        "order.new",
        "--body",
        "order.json",
        "--env",
        "BROKER={url}",
        "--count",
        "10",
    ]
    words += ["--scenario", "consumer_crash:after=ack:5", "--definitions", "definitions.json"]
    said = project.run("python worker.py declares_nothing ack_last", *words, status=0)
    assert "consumer_crash-after-ack-5: 10 messages, 10 effected: at-least-once (" in said


def test_a_worker_that_does_not_start(project):
    """Its own words are shown, and it is no violation."""
    (project.folder / "broken.js").write_text("console.error('no such shelf'); process.exit(1)")
    said = project.run("node broken.js", "--queue", "orders", status=3)
    assert "baseline: not tried: " in said
    assert "no such shelf" in said
    assert "def test_orders" not in said, "the source of a test that nobody wrote"
    assert "\nconnection_drop: skipped: the baseline failed\n" in said
    missing = f"try: the script 'missing.js' was not found (in {project.folder})\n"
    assert project.run("node missing.js", "--queue", "orders", status=2) == missing


def test_a_queue_that_is_not_there(house):
    """Who misspells it is told of the options that mend it, and of the queue that the consumer reads."""
    project = Project(house)
    words = ["--queue", "ordres", "--env", "BROKER={url}", "--scenario", "baseline", "--strict"]
    said = project.run("python worker.py", *words, status=3)
    line = "there is no queue 'ordres' after 15 s: the consumer reads `orders`: name that by --queue, or let --declare"
    assert f"\nbaseline: not tried: {line} make it\n" in said
    assert "mqchaos.queue(" not in said


def test_ctrl_c(project):
    """Ctrl-C goes to all that the terminal runs: nothing is left of it."""
    process = project.begin(
        "node worker.js", "--queue", "orders", "--effects", "orders.log", "--count", "2000"
    )
    try:
        until(project.said, 120, (project.folder / "orders.log").exists)
        assert children(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, project.said()
    project.house.nothing_left()
