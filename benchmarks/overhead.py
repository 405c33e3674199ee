"""What a chaos test costs: against the same test in plain pika, and the standard battery for a slow starter.

Run by `python -m benchmarks.overhead [rounds]`. Both tests run in one pytest session on one broker, in turns, with
the same worker as a process of its own and 100 messages; the figure is the whole test, set-up and teardown included.
The battery's worker needs 0.5 s before it connects; the start of the servers is not counted.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import textwrap
import xml.etree.ElementTree as ElementTree
from pathlib import Path

_WORKER = """
import os, sys, time
import pika
time.sleep(float(sys.argv[1]))
while True:
    try:
        connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
        channel = connection.channel()
        channel.queue_declare("orders", durable=True)
        channel.basic_qos(prefetch_count=10)
        def work(channel, method, properties, body):
            if body[:1] == b"{" and body[-1:] == b"}":
                with open(os.environ["MQCHAOS_EFFECTS"], "a") as effects:
                    effects.write(properties.message_id + "\\n")
            channel.basic_ack(method.delivery_tag)
        channel.basic_consume("orders", work)
        channel.start_consuming()
    except pika.exceptions.AMQPError:
        time.sleep(0.05)
"""
_TESTS = """
import os, subprocess, sys, time
from pathlib import Path
import pika, pytest
from pytest_mqchaos import baseline

BROKER = Path("broker.txt")
ROUNDS = range(int(os.environ["ROUNDS"]))

def chaos(mqchaos):
    mqchaos.consumer(["python", "worker.py", "0"])
    mqchaos.publish("orders", count=100)
    mqchaos.settle()
    BROKER.write_text(mqchaos.url.rpartition("/")[0] + "/%2F")

def plain(tmp_path):
    effects = tmp_path / "effects"
    effects.touch()
    url = BROKER.read_text()
    env = {**os.environ, "AMQP_URL": url, "MQCHAOS_EFFECTS": str(effects)}
    worker = subprocess.Popen([sys.executable, "worker.py", "0"], env=env)
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.queue_declare("orders", durable=True)
    channel.confirm_delivery()
    for number in range(100):
        properties = pika.BasicProperties(message_id=str(number), delivery_mode=2)
        channel.basic_publish("", "orders", b'{"order": %d}' % number, properties)
    while len(effects.read_bytes().splitlines()) < 100:
        time.sleep(0.005)
    assert channel.queue_declare("orders", passive=True).method.message_count == 0
    channel.queue_delete("orders")
    connection.close()
    worker.terminate()
    worker.wait()

@pytest.mark.chaos(baseline())
def test_warm(mqchaos):      # pays for the servers
    chaos(mqchaos)

@pytest.mark.parametrize("number", ROUNDS)
class TestPair:
    @pytest.mark.chaos(baseline())
    def test_chaos(self, mqchaos, number):
        chaos(mqchaos)

    def test_plain(self, tmp_path, number):
        plain(tmp_path)

@pytest.mark.chaos
def test_battery(mqchaos):
    mqchaos.consumer(["python", "worker.py", "0.5"])
    mqchaos.publish("orders", count=100)
"""


def main(rounds: int = 9) -> None:
    """Print both figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "worker.py").write_text(_WORKER)
        (folder / "test_overhead.py").write_text(textwrap.dedent(_TESTS))
        times = _session(folder, rounds)
    chaos, plain = (
        [taken for test, taken in times if test.startswith(kind)] for kind in ("test_chaos", "test_plain")
    )
    extra = [c - p for c, p in zip(chaos, plain, strict=True)]
    ratios = [c / p for c, p in zip(chaos, plain, strict=True)]
    print(
        f"a test of 100 messages: chaos {statistics.median(chaos):.2f} s, plain pika {statistics.median(plain):.2f} s,"
        f" ratio {statistics.median(ratios):.2f}, overhead {statistics.median(extra):.2f} s (median of {rounds} pairs)"
    )
    battery = [(test, taken) for test, taken in times if test.startswith("test_battery")]
    print(f"standard battery, a worker that starts in 0.5 s: {sum(taken for _, taken in battery):.1f} s")
    for test, taken in battery:
        print(f"  {taken:5.2f} s  {test}")


def _session(folder: Path, rounds: int) -> list[tuple[str, float]]:
    environment = {**os.environ, "ROUNDS": str(rounds)}
    tools = Path(".tools/bin").absolute()
    environment["PATH"] = f"{tools}{os.pathsep}{environment['PATH']}"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "--junitxml=results.xml", "-x"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    cases = ElementTree.parse(folder / "results.xml").iter("testcase")
    return [(case.get("name", ""), float(case.get("time", "0"))) for case in cases]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
