"""pika's errors in one line, and its silence."""

import logging
import threading

import pytest
from pika.exceptions import (
    AMQPConnectionError,
    ChannelClosedByBroker,
    ConnectionClosedByBroker,
    ProbableAuthenticationError,
    StreamLostError,
)

from pytest_mqchaos.brokers.rabbitmq.client import abort, broker_code, one_write, quiet, reason

_NESTED = ProbableAuthenticationError(repr(ConnectionClosedByBroker(403, "ACCESS_REFUSED - it's no use")))


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ChannelClosedByBroker(404, "NOT_FOUND - no exchange 'events' in vhost '/'"), 404,
         "404 NOT_FOUND - no exchange 'events' in vhost '/'"),
        (ConnectionClosedByBroker(320, "CONNECTION_FORCED - \n shutdown"), 320, "320 CONNECTION_FORCED - shutdown"),
        (_NESTED, 403, "403 ACCESS_REFUSED - it's no use"),
        (StreamLostError("Transport indicated EOF"), None, "the connection was closed"),
        (ProbableAuthenticationError(repr(StreamLostError("Transport indicated EOF"))), None,
         "the connection was closed"),
        (AMQPConnectionError(ConnectionRefusedError(111, "Connection refused")), None, "connection refused"),
        (AMQPConnectionError(TimeoutError("Timeout while setting up")), None, "no answer while connecting"),
        ("as it is", None, "as it is"),
        (ValueError("two\nlines"), None, "ValueError: two lines"),
        (OSError(), None, "OSError"),
        (None, None, "the connection ended"),
    ],
)  # fmt: skip
def test_reasons(error, code, line):
    """The broker's own words where it had some, else what happened."""
    assert broker_code(error) == code
    assert reason(error) == line


def test_quiet_is_of_the_thread(caplog):
    """What pika logs in this thread is kept back, and nothing else is."""
    caplog.set_level(logging.DEBUG)
    logger = logging.getLogger("pika.connection")
    with quiet():
        logger.error("ours")
        with quiet():
            pass
        logger.error("ours, still")
        logging.getLogger("mine").error("mine")
        other = threading.Thread(target=logger.error, args=("another thread's",))
        other.start()
        other.join()
    logger.error("later")
    assert [record.getMessage() for record in caplog.records] == ["mine", "another thread's", "later"]


class Connection:
    """As much of pika's connection as is touched."""

    def __init__(self):
        self.written = []
        self.stopped = 0
        self.ioloop = self

    def _adapter_emit_data(self, data):
        self.written.append(data)

    def stop(self):
        self.stopped += 1


def test_one_write():
    """What is sent meanwhile goes out in one piece, also when something raises; nothing is nothing."""
    connection = Connection()
    with one_write(connection):
        connection._adapter_emit_data(b"a")
        connection._adapter_emit_data(b"b")
    connection._adapter_emit_data(b"c")
    with one_write(connection):
        pass
    with pytest.raises(KeyError), one_write(connection):  # noqa: PT012 - both lines are the test
        connection._adapter_emit_data(b"d")
        raise KeyError
    assert connection.written == [b"ab", b"c", b"d"]


def test_a_pika_without_these_parts():
    """A later pika may have other insides: then it is slower, not broken."""
    connection = type("Other", (), {"stop": Connection.stop, "stopped": 0})()
    connection.ioloop = connection
    with one_write(connection):
        pass
    abort(connection)
    assert connection.stopped == 1


def test_pika_has_these_parts():
    """The one pika that is installed does: else the publisher is slower than it says."""
    from pika import SelectConnection

    assert callable(SelectConnection._adapter_emit_data)
    assert callable(SelectConnection._terminate_stream)
