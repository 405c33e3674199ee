"""How fast the publisher is: `python benchmarks/publisher.py [count]`.

The same workload on one private RabbitMQ (a process of this host): by plain pika that waits for each confirm, by our
publisher directly, through the wire with a history on disk, and through the wire and Toxiproxy (if there is one).
Ratios within a run say more than figures: other load on the host moves all of them.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pika

from pytest_mqchaos.brokers.rabbitmq.publisher import Publisher
from pytest_mqchaos.experiment.workload.plan import Plan, plan
from pytest_mqchaos.link.embedded import EmbeddedNetwork
from pytest_mqchaos.link.identity import Identity
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.link.relay import Relay, Strike
from pytest_mqchaos.link.toxiproxy import ToxiproxyNetwork
from pytest_mqchaos.link.wire import Wire
from pytest_mqchaos.model.events import LinkEvent
from pytest_mqchaos.model.history import History
from pytest_mqchaos.servers import ServerSettings, start

COUNT = 20_000
ROUNDS = 3
TOOLS = Path(__file__).parent.parent / ".tools" / "bin"


class Nothing:
    """A tap at which nothing strikes."""

    def match(self, relay: Relay, found: Sequence[LinkEvent]) -> Strike | None:
        """Let these facts pass."""
        return None

    def before_settlement(self, relay: Relay) -> Strike | None:
        """Let a settlement pass."""
        return None

    def look(self) -> None:
        """Look at nothing."""


def wire_to(address: tuple[str, int], thread: LoopThread, history: History) -> Wire:
    """Return a listening wire in front of an address."""
    identity = Identity(history.run)
    numbers = itertools.count(1)

    async def make() -> Wire:
        wire = Wire(
            "publisher", route=lambda: address, thread=thread, history=history, identity=identity,
            look=lambda _message: None, tap=Nothing(), numbers=lambda: next(numbers), publisher=True)  # fmt: skip
        await wire.listen()
        return wire

    return thread.call(make(), timeout=10.0, what="opening the wire")


def by_pika(url: str, work: Plan) -> float:
    """Return messages a second of a client that waits for each confirm."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        started = time.monotonic()
        for entry in work.entries:
            properties = pika.BasicProperties(headers=entry.headers, delivery_mode=2, **entry.properties)
            channel.basic_publish("", entry.message.queue, entry.message.body, properties, mandatory=True)
        return len(work.entries) / (time.monotonic() - started)


def by_us(url: str, work: Plan, history: History) -> float:
    """Return messages a second of our publisher, from its start to its last answer."""
    publisher = Publisher(url, work, history)
    started = time.monotonic()
    publisher.start()
    publisher.wait()
    took = time.monotonic() - started
    publisher.close()
    if publisher.error is not None:
        raise publisher.error
    assert Counter(publisher.outcomes.values()) == {
        "confirmed" if work.confirm else "sent": len(work.entries)
    }
    return len(work.entries) / took


def main() -> None:
    """Print one line a way, the best of some rounds."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    started = time.monotonic()
    work = plan(run="k3f9", seed=1, queue="bench", count=count, key="order")
    print(f"planned {count} messages, {count / (time.monotonic() - started):,.0f} a second")
    free = plan(run="k3f9", seed=1, queue="bench", count=count, confirm=False)
    with tempfile.TemporaryDirectory() as folder:
        servers = start(
            ServerSettings(servers="process", tool_folder=TOOLS), run="bench", directory=Path(folder)
        )
        thread = LoopThread()
        try:
            broker = servers.broker
            broker.create_namespace("bench")
            url = broker.url("bench")
            with pika.BlockingConnection(pika.URLParameters(url)) as connection:
                connection.channel().queue_declare("bench", durable=True, arguments={"x-max-length": 1000})
            direct = EmbeddedNetwork(broker.host, broker.port)
            ways = {
                "plain pika, confirm by confirm": [
                    by_pika(url, plan(run="k3f9", seed=1, queue="bench", count=2000))
                ]
            }
            ways |= {"publisher": [], "publisher, confirm=False": [], "publisher, wire": []}
            networks = {"publisher, wire": direct}
            if servers.toxiproxy is not None:
                networks["publisher, wire, toxiproxy"] = ToxiproxyNetwork(servers.toxiproxy)
            for turn in range(ROUNDS):
                ways["publisher"].append(by_us(url, work, History("k3f9")))
                ways["publisher, confirm=False"].append(by_us(url, free, History("k3f9")))
                for name, network in networks.items():
                    history = History("k3f9", Path(folder) / f"history-{turn}")
                    wire = wire_to(network.route(f"bench-{turn}").address, thread, history)
                    address = broker.url("bench", host=wire.host, port=wire.port)
                    ways.setdefault(name, []).append(by_us(address, work, history))
                    history.close()
            best = {name: max(rates) for name, rates in ways.items()}
            for name, rate in best.items():
                print(f"{name:32} {rate:9,.0f} messages a second  {rate / best['publisher']:5.2f} of direct")
        finally:
            thread.close()
            servers.stop()


if __name__ == "__main__":
    main()
