"""Consume throughput and round trips: direct, through the wire, through the wire and Toxiproxy, in one run.

Run by `python -m benchmarks.links [messages] [rounds]`. The consumer is a py-amqp-like pika SelectConnection in a
process of its own, prefetch 200, each delivery acknowledged; the ways take turns, and each ratio is of one round.
"""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import pika

from pytest_mqchaos import servers
from pytest_mqchaos.experiment.links import Links
from pytest_mqchaos.experiment.striking.injector import Injector
from pytest_mqchaos.link.embedded import EmbeddedNetwork
from pytest_mqchaos.link.identity import Identity
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.link.network import Network
from pytest_mqchaos.link.toxiproxy import ToxiproxyNetwork
from pytest_mqchaos.model.history import History

_RUN = "k3f9"
_CONSUMER = """
import sys, time, pika
url, count = sys.argv[1], int(sys.argv[2])
seen, started = 0, None
def opened(connection):
    connection.channel(on_open_callback=ready)
def ready(channel):
    channel.basic_qos(prefetch_count=200, callback=lambda _: channel.basic_consume("bench", took))
def took(channel, method, properties, body):
    global seen, started
    started = started or time.perf_counter()
    seen += 1
    channel.basic_ack(method.delivery_tag)
    if seen == count:
        print(count / (time.perf_counter() - started))
        channel.connection.close()
connection = pika.SelectConnection(pika.URLParameters(url), on_open_callback=opened,
    on_close_callback=lambda c, e: c.ioloop.stop())
connection.ioloop.start()
"""
_ROUND_TRIPS = """
import sys, time, pika
connection = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))
channel = connection.channel()
taken = []
for _ in range(400):
    started = time.perf_counter()
    channel.queue_declare("bench", passive=True)
    taken.append(time.perf_counter() - started)
print(sorted(taken)[200] * 1e6)
"""


def main(messages: int = 20_000, rounds: int = 5) -> None:
    """Print rates, round trips and their ratios."""
    with tempfile.TemporaryDirectory() as folder:
        settings = servers.ServerSettings(servers="process", tool_folder=Path(".tools/bin").absolute())
        running = servers.start(settings, run=_RUN, directory=Path(folder))
        thread = LoopThread()
        try:
            print(running.description)
            _measure(running, thread, Path(folder), messages, rounds)
        finally:
            thread.close()
            running.stop()


def _measure(running: servers.Servers, thread: LoopThread, folder: Path, messages: int, rounds: int) -> None:
    broker = running.broker
    broker.create_namespace("bench")
    networks: dict[str, Network] = {"wire": EmbeddedNetwork(broker.host, broker.port)}
    if running.toxiproxy is not None:
        networks["wire and Toxiproxy"] = ToxiproxyNetwork(running.toxiproxy)
    urls = {"direct": broker.url("bench")}
    opened = []
    for name, network in networks.items():
        history = History(_RUN, folder / f"{name}.jsonl")
        tap = Injector(history, thread, lambda: None, random.Random(1))
        links = Links(run=_RUN, network=network, thread=thread, history=history, identity=Identity(_RUN),
                      look=lambda message: None, tap=tap)  # fmt: skip
        opened.append(links)
        urls[name] = broker.url("bench", port=links.open(name).wire.port)
    rates: dict[str, list[float]] = {name: [] for name in urls}
    trips: dict[str, list[float]] = {name: [] for name in urls}
    for _ in range(rounds):
        for name, url in urls.items():
            _fill(urls["direct"], messages)
            rates[name].append(_run(_CONSUMER, url, str(messages)))
            trips[name].append(_run(_ROUND_TRIPS, url))
    for name in urls:
        ratio = statistics.median(r / d for r, d in zip(rates[name], rates["direct"], strict=True))
        rate, trip = statistics.median(rates[name]), statistics.median(trips[name])
        extra = trip - statistics.median(trips["direct"])
        print(f"{name:20} {rate:8.0f} msg/s  {ratio:.2f} of direct  round trip {trip:5.0f} µs (+{extra:.0f})")
    for links in opened:
        links.close()


def _fill(url: str, messages: int) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.queue_declare("bench")
    for number in range(1, messages + 1):
        properties = pika.BasicProperties(headers={"x-mqchaos-id": f"bench-{_RUN}-{number:06d}"})
        channel.basic_publish("", "bench", b"x" * 200, properties)
    connection.close()


def _run(code: str, *arguments: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
