"""Declaring on a real broker: what is there afterwards, and one line for each refusal."""

import contextlib
import logging
from urllib.parse import urlsplit

import pika
import pytest
from relays import Relay

from pytest_mqchaos.brokers.rabbitmq.declare import Declarer
from pytest_mqchaos.errors import ChaosError, UsageError


@pytest.fixture
def url(broker, namespace):
    """Return the address of the test's namespace."""
    return broker.url(namespace)


@pytest.fixture
def declarer(url):
    """Return a declarer, closed at the end."""
    made = Declarer(url)
    yield made
    made.close()


@pytest.fixture
def channel(url):
    """Return a channel of a plain client."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    yield connection.channel()
    with contextlib.suppress(pika.exceptions.AMQPError):
        connection.close()


def queues(broker, namespace):
    """Return the queues there are, by name."""
    return {queue.name: queue for queue in broker.census(namespace)}


def published(channel, exchange, routing_key, queue):
    """Return whether a message arrives in the queue."""
    channel.basic_publish(exchange, routing_key, b"x")
    return channel.basic_get(queue, auto_ack=True)[0] is not None


def refused(call, *arguments, **options) -> str:
    """Return the one line of a declaration that fails."""
    with pytest.raises(ChaosError) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_queue(declarer, broker, namespace):
    """It is there with its type and durability; declaring it again is nothing."""
    for _ in range(2):
        declarer.declare_queue("plain")
        declarer.declare_queue("quorum", arguments={"x-queue-type": "quorum"})
    assert queues(broker, namespace)["plain"].durable
    assert queues(broker, namespace)["quorum"].type == "quorum"


@pytest.mark.parametrize("arguments", [None, {"x-queue-type": "quorum"}])
def test_a_dead_letter_queue(declarer, channel, arguments):
    """What is rejected arrives there; the client's own declaration with the documented arguments is welcome."""
    declarer.declare_queue("orders", dead_letter="orders.dead", arguments=arguments)
    declarer.declare_queue("orders", dead_letter="orders.dead", arguments=arguments)
    own = {
        "x-dead-letter-exchange": "orders.dead",
        "x-dead-letter-routing-key": "orders.dead",
        **(arguments or {}),
    }
    channel.queue_declare("orders", durable=True, arguments=own)
    rejected(channel, "orders")
    assert arrives(channel, "orders.dead") == "orders"


def rejected(channel, queue):
    """Publish a message to a queue, and reject it."""
    channel.confirm_delivery()
    channel.basic_publish("", queue, b"x", mandatory=True)
    method, _properties, _body = next(channel.consume(queue, inactivity_timeout=5))
    channel.basic_reject(method.delivery_tag, requeue=False)
    channel.cancel()


def arrives(channel, queue):
    """Wait for a message, and return the queue that it died in."""
    method, properties, _body = next(channel.consume(queue, inactivity_timeout=5))
    channel.basic_ack(method.delivery_tag)
    channel.cancel()
    return properties.headers["x-death"][0]["queue"]


@pytest.mark.parametrize(
    "given",
    [
        {"x-dead-letter-exchange": ""},
        {"x-dead-letter-exchange": "dlx"},
        {"x-dead-letter-exchange": "fan"},
        {"x-dead-letter-routing-key": "dead"},
        {"x-dead-letter-exchange": "dlx", "x-dead-letter-routing-key": "dead"},
    ],
)
def test_dead_letter_arguments_of_the_tests_own(declarer, channel, given):
    """Those stay as they are, an exchange that exists stays what it is, and the way leads there."""
    channel.exchange_declare("fan", "fanout")
    declarer.declare_queue("orders", dead_letter="dead", arguments=given)
    rejected(channel, "orders")
    assert arrives(channel, "dead") == "orders"


def test_a_dead_letter_queue_that_exists(declarer, broker, namespace):
    """It is taken as it is."""
    declarer.declare_queue("dead", arguments={"x-queue-type": "quorum"})
    declarer.declare_queue("orders", dead_letter="dead")
    assert queues(broker, namespace)["dead"].type == "quorum"


def test_an_exchange_and_its_bindings(declarer, channel):
    """A queue is bound by its routing key, or by its name and the empty key."""
    declarer.declare_exchange("events")
    declarer.declare_queue("all", exchange="events")
    declarer.declare_queue("some", exchange="events", routing_key="red")
    assert published(channel, "events", "", "all")
    assert published(channel, "events", "all", "all")
    assert published(channel, "events", "red", "some")
    assert not published(channel, "events", "blue", "some")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"durable": False}, ("queue 'q': the broker refuses: 406 PRECONDITION_FAILED - inequivalent arg 'durable'",
                              "; it is there already: declare it as it is, or leave it to the one who ")),
        ({"arguments": {"x-queue-type": "odd"}}, ("queue 'q': the broker refuses: 406 PRECONDITION_FAILED - ", "odd")),
        ({"exchange": "none"}, ("queue 'q', binding it to exchange 'none': the broker refuses: 404 NOT_FOUND",
                                "; declare it first, with mqchaos.exchange('none')")),
        ({"dead_letter": "q"}, ("queue('q', dead_letter='q'): a queue of its own is needed",)),
        ({"dead_letter": "d", "arguments": {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "e"}},
         ("queue('q', dead_letter='d'): its arguments lead to queue 'e' instead",)),
        ({"routing_key": "k"}, ("queue('q', routing_key='k'): a routing key needs exchange=",)),
        ({"arguments": {"x": object()}}, ("queue 'q': cannot be declared: ",)),
        ({"arguments": ["x"]}, ("queue('q', arguments=['x']): a dict of names to values",)),
        ({"durable": "yes"}, ("queue('q', durable='yes'): True or False",)),
        ({"dead_letter": 3}, ("queue('q', dead_letter=3): a name",)),
    ],
)  # fmt: skip
def test_queues_that_cannot_be(declarer, options, words):
    """One line names the queue and the reason; the next declaration works."""
    declarer.declare_queue("q")
    text = refused(declarer.declare_queue, "q", **options)
    assert text.startswith(words[0])
    assert words[-1] in text
    declarer.declare_queue("q")


def test_exchanges_that_cannot_be(declarer):
    """Wrong type, another type than before, a reserved name."""
    declarer.declare_exchange("e")
    assert "unknown exchange type 'odd'" in refused(declarer.declare_exchange, "f", "odd")
    assert "inequivalent arg 'type' for exchange 'e'" in refused(declarer.declare_exchange, "e", "fanout")
    assert "reserved prefix" in refused(declarer.declare_exchange, "amq.mine")
    assert refused(declarer.declare_exchange, "") == "exchange(''): a name of 1 to 255 bytes"


def test_a_connection_that_was_lost(url, broker, caplog):
    """The next declaration opens another, silently; a broker that is gone is said in one line."""
    caplog.set_level(logging.INFO)
    relay = Relay(broker.host, broker.port)
    declarer = Declarer(url.replace(f":{urlsplit(url).port}", f":{relay.port}"))
    declarer.declare_queue("q")
    relay.cut()
    declarer.declare_queue("q")
    relay.refuse()
    assert refused(declarer.declare_queue, "q") == "queue 'q': the broker does not answer: connection refused"
    declarer.close()
    declarer.close()
    assert not [record for record in caplog.records if record.name.startswith("pika")]


def test_a_wrong_login(url):
    """One line, without the password, and no usage error."""
    bad = Declarer(url.replace(f":{urlsplit(url).password}@", ":s3cr3t@"))
    text = refused(bad.declare_queue, "q")
    assert text.startswith("queue 'q': the broker refuses: 403 ACCESS_REFUSED")
    assert "s3cr3t" not in text
    with pytest.raises(UsageError):
        bad.declare_queue("")
