"""Faults of a second upstream: a store that the consumer writes to, behind a link of its own."""

import os
import socket
import socketserver
import threading

import pytest
from consumers import kit
from e2e_kit import COUNT, finding, numbers, text, violations

from pytest_mqchaos import (
    DeliveryError,
    UsageError,
    ack,
    bandwidth,
    black_hole,
    combine,
    connection_drop,
    connection_reset,
    delivery,
    fragment,
    latency,
    refuse,
    stall,
)
from pytest_mqchaos.model import events as facts

ALL = list(range(1, COUNT + 1))


class Store(socketserver.ThreadingTCPServer):
    """Keeps each line once, and answers it; a stand-in for a database with a unique key."""

    allow_reuse_address = daemon_threads = True

    def __init__(self):
        self.kept = {}

        class Session(socketserver.StreamRequestHandler):
            def handle(session):  # noqa: N805
                for line in session.rfile:
                    if not line.endswith(b"\n"):
                        return
                    self.kept[line.decode().strip()] = 1
                    session.wfile.write(b"ok\n")

        super().__init__(("127.0.0.1", 0), Session)


@pytest.fixture
def store():
    """A store that serves."""
    with Store() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def keep(own, identity):
    """Write a line to the store and read its answer."""
    own.sendall(f"{identity}\n".encode())
    answer = b""
    while not answer.endswith(b"\n"):
        data = own.recv(16)
        if not data:
            raise ConnectionError("the store hung up")
        answer += data


def writes_until_it_is_kept(url):
    """Write to the store, again on a new connection where the old one failed; then ack."""
    port, connections = int(os.environ["STORE"]), []

    def handle(channel, method, properties, body):
        while True:
            try:
                if not connections:
                    connections.append(socket.create_connection(("127.0.0.1", port), timeout=10))
                keep(connections[0], properties.message_id)
                break
            except OSError as error:
                kit.diary("store", repr(error))
                connections.clear()
        channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def calls_the_store_anew(url):
    """Write each message to the store on a connection of its own, then ack."""
    port = int(os.environ["STORE"])

    def handle(channel, method, properties, body):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as own:
            keep(own, properties.message_id)
        channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def forgets_the_store(url):
    """Ack, and never write to the store."""

    def handle(channel, method, properties, body):
        channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def shrugs(url):
    """Write to the store, and ack whether that went well or not."""
    port, connections = int(os.environ["STORE"]), []

    def handle(channel, method, properties, body):
        try:
            if not connections:
                connections.append(socket.create_connection(("127.0.0.1", port), timeout=10))
            keep(connections[0], properties.message_id)
        except OSError as error:
            kit.diary("store", repr(error))
            connections.clear()
        channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


@pytest.fixture
def orders(scene, mqchaos, store):
    """A consumer that writes to the store by the link `pg`."""
    scene.queue("classic")
    link = mqchaos.link("pg", upstream="{}:{}".format(*store.server_address))
    assert link.address == f"{link.host}:{link.port}"
    mqchaos.effects(lambda: list(store.kept))

    def start(consumer):
        scene.forked(consumer, env={"STORE": link.port, "PREFETCH": 3})
        scene.publish()

    return start


@pytest.mark.chaos(
    connection_drop(link="pg", after=delivery(5)),
    connection_reset(link="pg", before=ack(5)),
    refuse(link="pg", after=ack(5), duration=0.2),
    stall(link="pg", after=ack(5), duration=0.4),
    black_hole(link="pg", after=ack(5), duration=0.4),
    latency(link="pg", delay=0.01),
    bandwidth(4000, link="pg"),
    fragment(3, link="pg"),
    combine(latency(delay=0.01), connection_reset(link="pg", after=ack(7))),
)
def test_a_store_is_broken(scene, mqchaos, orders):
    """The store's link breaks and heals, the broker's does not, and who writes until it is kept loses nothing."""
    orders(writes_until_it_is_kept)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert numbers(account.effected) == ALL
    assert scene.diary("lost") == []
    assert len(scene.diary("connected")) == 1
    targets = {event.target for event in mqchaos.history if isinstance(event, facts.FaultFired)}
    assert "pg" in targets
    cuts = ("connection_drop", "connection_reset", "refuse", "black_hole")
    assert bool(scene.diary("store")) == (mqchaos.scenario.split("+")[-1].startswith(cuts))


UNUSED = (
    stall(link="pg", after=ack(5), duration=0.4),
    latency(link="pg", delay=0.01, after=ack(5), duration=1.0),
    latency(link="pg", delay=0.01),
    bandwidth(4000, link="pg", after=ack(5)),
    fragment(3, link="pg"),
)


@pytest.mark.chaos(*UNUSED)
def test_a_store_that_is_called_while_it_is_disturbed(mqchaos, orders):
    """Nobody is connected when the fault strikes: who comes later feels it, and the run proves something."""
    orders(calls_the_store_anew)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert numbers(account.effected) == ALL
    assert account.faults[0].changed


@pytest.mark.chaos(*UNUSED, black_hole(link="pg", after=ack(5), duration=0.4), allow=("lost",))
@pytest.mark.xfail(strict=True, raises=DeliveryError, reason="it proves nothing: that is what is tested")
def test_a_store_that_nobody_calls(mqchaos, orders):
    """Nobody uses the store from the strike on: the run proves nothing."""
    orders(forgets_the_store)
    account = mqchaos.settle()
    assert "changed nothing: pg felt nothing of it" in str(finding(account, "vacuous").claim)
    assert not account.faults[0].changed
    assert account.faults[0].strikes == 1


@pytest.mark.chaos(connection_reset(link="pg", after=ack(5)), refuse(link="pg", after=ack(5)), allow="*")
def test_a_shrug_is_a_loss(scene, mqchaos, orders, store):
    """Who acks what the store did not take has lost it, to the message."""
    orders(shrugs)
    account = mqchaos.settle()
    missing = set(ALL) - set(numbers(store.kept))
    assert missing
    assert set(numbers(account.lost)) == missing, text(account)
    assert violations(account) == {"lost"}, text(account)


@pytest.mark.chaos(connection_reset(link="pg", after=ack(5)))
@pytest.mark.parametrize(
    ("name", "upstream", "line"),
    [
        ("pg", "5432", "link('pg'): upstream='5432': the service's host:port, as 127.0.0.1:5432"),
        ("pg", 5432, "link('pg'): upstream=5432: the service's host:port, as 127.0.0.1:5432"),
        ("pg", "127.0.0.1:70000", "link('pg'): upstream='127.0.0.1:70000': the service's host:port, as"),
        ("publisher", "127.0.0.1:1", "link('publisher'): the name is taken in this test"),
        ("", "127.0.0.1:1", "link(''): a name for faults to call it"),
    ],
    ids=["no host", "a number", "no port", "taken", "no name"],
)
@pytest.mark.xfail(strict=True, raises=UsageError, reason="a wrong call is one line: that is what is tested")
def test_bad_input(scene, mqchaos, name, upstream, line):
    """A wrong argument is one line; a fault on a link that there is not, is told as well."""
    with pytest.raises(UsageError) as raised:
        mqchaos.link(name, upstream=upstream)
    assert str(raised.value).startswith(line)
    scene.queue("classic")
    mqchaos.consumer(writes_until_it_is_kept, env={"STORE": "1"})
    scene.publish(count=1)
    with pytest.raises(UsageError, match=r"there is no link 'pg'; mqchaos\.link\(\.\.\.\) opened: none"):
        mqchaos.settle()
    mqchaos.settle()
