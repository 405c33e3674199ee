"""What the census says, against what a client knows: exact counts, at once, on every broker we start."""

import threading
import time

import pika
import pytest
from clients import Client

from pytest_mqchaos.brokers.rabbitmq.amqp import amqp_lacks
from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.servers.waiting import wait_for

TYPES = ("classic", "quorum")


@pytest.fixture
def client(broker, namespace):
    """Return a maker of clients, which are gone at the end."""
    made = []

    def make():
        made.append(Client(broker.url(namespace)))
        return made[-1]

    yield make
    for one in made:
        if one.connection.is_open and one.connection._impl._transport._sock.fileno() >= 0:
            one.connection.close()


@pytest.fixture
def census(broker, namespace):
    """Return a call that counts one queue: ready, unacknowledged, transit."""

    def look(queue):
        state = next(state for state in broker.census(namespace) if state.name == queue)
        assert state.exact, state
        return state.ready, state.unacknowledged, state.transit

    return look


def state_of(broker, namespace, queue):
    """Return the state of one queue."""
    return next(state for state in broker.census(namespace) if state.name == queue)


@pytest.mark.parametrize("kind", TYPES)
def test_counts_are_exact_at_once(client, census, kind):
    """Ten ready and ten unacknowledged are counted as that, the moment a client has them."""
    one = client()
    one.queue("q", kind)
    one.publish("q", 20)
    assert census("q") == (20, 0, 0)
    one.take("q", 10, prefetch=10)
    assert census("q") == (10, 10, 0)


@pytest.mark.parametrize("kind", TYPES)
def test_consumers_are_those_that_subscribed(broker, namespace, client, kind):
    """A `basic.get` is no consumer, and a cancelled subscription no longer one, whatever they still hold."""
    one, other = client(), client()
    one.queue("q", kind)
    one.publish("q", 3)
    other.channel.basic_get("q")
    assert state_of(broker, namespace, "q").consumers == 0
    tag = one.channel.basic_consume("q", lambda *_: None)
    assert state_of(broker, namespace, "q").consumers == 1
    one.channel.basic_cancel(tag)
    state = state_of(broker, namespace, "q")
    assert (state.consumers, state.messages, state.unacknowledged >= 1) == (0, 3, True)


@pytest.mark.parametrize("burst", [1, 30])
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("settlement", ["ack", "reject"])
def test_behind_the_barrier_the_census_sees_every_settlement(client, census, kind, burst, settlement):
    """Once a barrier behind up to some thirty settlements answered, the census counts none of them."""
    one = client()
    one.queue("q", kind)
    one.publish("q", burst)
    one.take("q", burst)
    if settlement == "ack":
        one.settle()
    else:
        one.settle("basic_reject", requeue=False)
    one.barrier()
    assert census("q") == (0, 0, 0)


@pytest.mark.parametrize("burst", [1, 30])
@pytest.mark.parametrize("kind", TYPES)
def test_a_few_settlements_behind_a_barrier_survive_a_reset(client, census, kind, burst):
    """Up to some thirty settlements in the air, a barrier's answer says that a reset takes none back."""
    one = client()
    one.queue("q", kind)
    one.publish("q", burst)
    one.take("q", burst)
    one.settle()
    one.barrier()
    one.reset()
    assert census("q")[0] == 0
    wait_for(
        "the connection's end", lambda: None if census("q") == (0, 0, 0) else str(census("q")), timeout=10
    )


@pytest.mark.parametrize("kind", TYPES)
def test_a_burst_that_the_census_has_seen_survives_a_reset(broker, namespace, client, census, kind):
    """After a burst the census is the proof: what it no longer counts does not come back.

    A channel keeps what is beyond some thirty settlements of a quorum queue to itself for a while, though it
    has answered the barrier; the census counts those as unacknowledged, which they are.
    """
    one = client()
    one.queue("q", kind)
    one.publish("q", 300)
    one.take("q", 300)
    one.settle()
    one.barrier()
    wait_for("the settlements", lambda: None if census("q") == (0, 0, 0) else str(census("q")), timeout=10)
    one.reset()
    wait_for(
        "the consumer's end",
        lambda: None if state_of(broker, namespace, "q").consumers == 0 else "it is counted",
        timeout=10,
    )
    assert census("q") == (0, 0, 0)


@pytest.mark.parametrize("kind", TYPES)
def test_what_a_lost_consumer_held_is_ready_again(client, census, kind):
    """Unacknowledged messages of a connection that was reset are ready again, all of them."""
    one = client()
    one.queue("q", kind)
    one.publish("q", 25)
    one.take("q", 10, prefetch=10)
    one.reset()
    wait_for("the return", lambda: None if census("q") == (25, 0, 0) else str(census("q")), timeout=10)


def test_a_quorum_queue_counts_deliveries(broker, namespace, client):
    """`x-delivery-count` counts lost consumers on every version; the default limit is 20 from 4.0 on."""
    one = client()
    one.queue("q", "quorum")
    one.publish("q", 1)
    assert state_of(broker, namespace, "q").delivery_limit == (
        None if broker.version.startswith("3.") else 20
    )
    for expected in (None, 1, 2):
        other = client()
        method, properties = None, None
        deadline = time.monotonic() + 10
        while method is None and time.monotonic() < deadline:
            method, properties, _ = other.channel.basic_get("q")
        assert ((properties.headers or {}).get("x-delivery-count") or None, method.redelivered) == (
            expected,
            expected is not None,
        )
        other.reset()


def test_a_delivery_limit_ends_in_the_dead_letter_queue(broker, namespace, client, census):
    """With a limit of two, a message is delivered three times, then it is dead-lettered."""
    one = client()
    one.queue("dead", "classic")
    one.queue("q", "quorum", delivery_limit=2, dead_letter_exchange="", dead_letter_routing_key="dead")
    one.publish("q", 1)
    assert state_of(broker, namespace, "q").delivery_limit == 2
    for _ in range(3):
        other = client()
        other.take("q", 1)
        other.reset()
    wait_for("the dead letter", lambda: None if census("dead") == (1, 0, 0) else "none", timeout=10)
    assert census("q") == (0, 0, 0)


def test_dead_letters_without_a_target_are_in_transit(client, census):
    """At-least-once dead letters that no queue takes stay with their queue, and are counted there."""
    one = client()
    one.queue(
        "q",
        "quorum",
        dead_letter_exchange="",
        dead_letter_routing_key="nowhere",
        dead_letter_strategy="at-least-once",
        overflow="reject-publish",
    )
    one.publish("q", 5)
    one.take("q", 5)
    one.settle("basic_reject", requeue=False)
    one.barrier()
    assert census("q") == (0, 0, 5)


@pytest.mark.parametrize(
    ("source", "target", "arguments"),
    [
        ("classic", "classic", {}),
        ("classic", "quorum", {}),
        ("quorum", "classic", {}),
        ("quorum", "quorum", {}),
        ("quorum", "classic", {"dead_letter_strategy": "at-least-once", "overflow": "reject-publish"}),
    ],
)
def test_no_census_misses_a_message_on_its_way(broker, namespace, client, source, target, arguments):
    """While 300 messages pass from queue to queue to queue as dead letters, no exact census counts fewer."""
    one = client()
    one.queue("c", target)
    one.queue("b", target, dead_letter_exchange="", dead_letter_routing_key="c", message_ttl=0)
    one.queue("a", source, dead_letter_exchange="", dead_letter_routing_key="b", **arguments)
    one.publish("a", 300)
    counted = []

    def count():
        states = broker.census(namespace)
        if all(state.exact for state in states):
            counted.append(sum(state.messages for state in states))

    def look():
        while not over.is_set():
            count()

    over = threading.Event()
    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        one.take("a", 300)
        one.settle("basic_reject", requeue=False)
        one.barrier()
        wait_for(
            "the dead letters",
            lambda: None if state_of(broker, namespace, "c").ready == 300 else "not all",
            timeout=20,
        )
    finally:
        over.set()
        watcher.join()
    count()
    assert counted[-1] == min(counted) == 300


def test_settings_are_told_as_declared(broker, namespace, client):
    """Type, durability, arguments and settings in force are those of the declaration, names as they are."""
    one = client()
    name = 'a "b" \\ ö 漢 🐇'
    one.channel.queue_declare(
        name,
        exclusive=True,
        arguments={"x-max-length": 7, "x-expires": 60_000, "x-message-ttl": 1500, "x-max-priority": 3},
    )
    [state] = broker.census(namespace)
    assert (state.name, state.type, state.durable, state.exclusive, state.auto_delete, state.exact) == (
        name,
        "classic",
        False,
        True,
        False,
        True,
    )
    assert (state.max_length, state.expires, state.message_ttl, state.delivery_limit) == (7, 60.0, 1.5, None)
    assert state.arguments["x-max-priority"] == 3


def test_a_stream_is_counted_and_never_exact(broker, namespace, client):
    """A stream keeps what was read, so its count says nothing about what was processed: it is not exact."""
    one = client()
    one.queue("s", "stream")
    [state] = broker.census(namespace)
    assert (state.type, state.exact) == ("stream", False)


def test_topology_shows_where_dead_letters_lead(broker, namespace, client):
    """Exchanges, bindings and the default exchange's own are told, and followed to the queues."""
    one = client()
    one.queue("orders", "classic")
    one.queue("dead", "classic")
    one.channel.exchange_declare("dlx", "topic")
    one.channel.exchange_declare("inner", "fanout")
    one.channel.exchange_bind("inner", "dlx", "orders.#")
    one.channel.queue_bind("dead", "inner", arguments={"note": "ö"})
    topology = broker.topology(namespace)
    assert topology.exchanges["dlx"] == "topic"
    assert topology.leads_to("dlx", "orders.failed") == {"dead"}
    assert topology.leads_to("dlx", "other") == frozenset()
    assert topology.leads_to("", "orders") == {"orders"}
    [binding] = broker.bindings(namespace, "inner")
    assert (binding.destination, binding.kind, binding.arguments) == ("dead", "queue", {"note": "ö"})
    assert broker.exists(namespace, "orders")
    assert not broker.exists(namespace, "order")


def test_namespaces_are_apart(broker, namespace, client):
    """A queue of one namespace is not in another's census, and deleting that one leaves it alone."""
    client().queue("q", "classic")
    other = f"{namespace}/ %ö"
    broker.create_namespace(other)
    broker.create_namespace(other)
    assert other in broker.namespaces()
    guest = Client(broker.url(other))
    guest.queue("theirs", "quorum")
    assert [state.name for state in broker.census(other)] == ["theirs"]
    guest.connection.close()
    broker.delete_namespace(other)
    broker.delete_namespace(other)
    assert other not in broker.namespaces()
    assert [state.name for state in broker.census(namespace)] == ["q"]


def test_many_threads_may_ask(broker, namespace, client):
    """Calls from several threads are answered side by side, each with its own answer."""
    client().queue("q", "quorum")
    answers = []

    def ask():
        answers.extend([state.name for state in broker.census(namespace)] for _ in range(20))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [["q"]] * 80


@pytest.mark.parametrize("kind", TYPES)
def test_a_clean_restart_keeps_the_address_and_what_is_durable(broker, namespace, client, kind):
    """After stop and start the same address serves, clients had a 320, and persistent messages are counted."""
    one = client()
    one.queue("q", kind)
    one.publish("q", 10)
    one.take("q", 4, prefetch=4)
    port = broker.port
    broker.stop_app()
    try:
        with pytest.raises(pika.exceptions.ConnectionClosedByBroker, match="320"):
            one.connection.process_data_events(5)
        with pytest.raises(ChaosError, match="RabbitMQ is stopped"):
            broker.census(namespace)
        assert broker.alive()
        assert amqp_lacks(broker.host, port) is not None
    finally:
        broker.start_app()
    assert broker.port == port
    wait_for(
        "an exact census",
        lambda: None if state_of(broker, namespace, "q").exact else "not exact",
        timeout=15,
    )
    state = state_of(broker, namespace, "q")
    assert (state.ready, state.unacknowledged, state.consumers) == (10, 0, 0)


def test_a_frozen_broker_is_an_error_within_the_bound(broker, namespace):
    """While the broker is frozen the census ends with one line in its time, and works after the thaw."""
    broker.freeze()
    try:
        begun = time.monotonic()
        with pytest.raises(ChaosError, match=r"no answer from RabbitMQ within 0\.3 s"):
            broker.census(namespace, timeout=0.3)
        assert time.monotonic() - begun < 3.0
        assert broker.alive()
    finally:
        broker.thaw()
    assert broker.census(namespace) == ()


def test_a_killed_broker_comes_back_with_what_was_persistent(broker, namespace, client):
    """After SIGKILL the broker is down and says so; started again it has its queues and its address."""
    one = client()
    one.queue("q", "classic")
    one.publish("q", 10)
    port = broker.port
    time.sleep(3)  # 3.10 keeps a young queue's declaration in memory: killed at once, it may lose it (m)
    broker.crash()
    assert not broker.alive()
    with pytest.raises(ChaosError, match="RabbitMQ is down"):
        broker.census(namespace)
    one.reset()
    broker.start_again()
    assert (broker.port, broker.alive()) == (port, True)
    wait_for(
        "an exact census",
        lambda: None if state_of(broker, namespace, "q").exact else "not exact",
        timeout=15,
    )
    assert state_of(broker, namespace, "q").ready == 10
    assert "Server startup complete" in broker.log_tail(50)
