"""What the consumers of these tests share: a diary of their own, a place for effects, a session with the broker.

The diary (``DIARY`` in the environment) is the tests' own evidence, apart from everything the plugin records:
what was begun and done, how often, and which exceptions the client raised. Settings are read when they are
needed, since a callable consumer gets its environment after this module was imported.
"""

import json
import os
import time

import pika
from pika.exceptions import AMQPError

LOST = (AMQPError, OSError)


class PermanentError(ValueError):
    """The message can never be processed."""


def setting(name, default):
    """Return a setting from the environment, of the default's type."""
    return type(default)(os.environ.get(name, default))


def append(path, line):
    """Append one line in one write, which a SIGKILL cannot tear."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{line}\n".encode())
    os.close(handle)


def diary(*words):
    """Write to the tests' own record of this consumer."""
    if path := os.environ.get("DIARY"):
        append(path, " ".join(map(str, words)))


def effect(identity):
    """Leave the mark of work done, by the probe where the test says so."""
    if setting("PROBE", 0):
        from pytest_mqchaos import probe

        probe.effect(identity)
        diary("done", identity)
        return
    append(os.environ["MQCHAOS_EFFECTS"], identity)
    diary("done", identity)


def order(body):
    """Read an order; what is none is poison."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PermanentError(str(error)) from None
    if not isinstance(value, dict) or not isinstance(value.get("n"), int):
        raise PermanentError("not an order")
    return value


def work(properties, body):
    """Do the work for a message: some time, then the effect; what has no id is known by its order."""
    named = order(body).get("order")
    identity = named if properties.message_id is None else properties.message_id
    diary("begin", identity)
    time.sleep(setting("WORK", 0.02))
    effect(identity)


def connect(url):
    """Return a connection and a channel with the prefetch of the environment."""
    parameters = pika.URLParameters(url)
    if heartbeat := setting("HEARTBEAT", 0):
        parameters.heartbeat = heartbeat
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.basic_qos(prefetch_count=setting("PREFETCH", 10))
    diary("connected")
    return connection, channel


def consume(url, handle, *, queue=None, auto_ack=False):
    """Consume until the connection is lost."""
    _, channel = connect(url)
    channel.basic_consume(queue or setting("QUEUE", "orders"), handle, auto_ack=auto_ack)
    channel.start_consuming()


def again_and_again(session, url):
    """Run sessions, one after the other, as a client with reconnects does."""
    while True:
        try:
            session(url)
        except LOST as error:
            diary("lost", repr(error))
            time.sleep(0.05)
