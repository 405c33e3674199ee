"""What counts as an answer of a broker: `connection.start`, and nothing less."""

import socket
import threading

import pytest

from pytest_mqchaos.brokers.rabbitmq.amqp import amqp_lacks

START = b"\x01\x00\x00\x00\x00\x00\x05\x00\x0a\x00\x0a\x00\x09rest"


@pytest.fixture
def answering():
    """Return a maker of servers that answer one connection with the given pieces."""
    made = []

    def make(*pieces, hold=False):
        listener = socket.create_server(("127.0.0.1", 0))
        release = threading.Event()

        def serve():
            client, _ = listener.accept()
            with client:
                client.recv(8)
                for piece in pieces:
                    client.sendall(piece)
                if hold:
                    release.wait(5.0)

        thread = threading.Thread(target=serve)
        thread.start()
        made.append((listener, thread, release))
        return listener.getsockname()[1]

    yield make
    for listener, thread, release in made:
        release.set()
        thread.join()
        listener.close()


def test_connection_start_is_enough(answering):
    """A broker that begins its handshake serves, in whatever pieces it comes."""
    assert amqp_lacks("127.0.0.1", answering(START[:4], START[4:])) is None


def test_accepted_and_closed_is_not_served(answering):
    """Docker's own proxy accepts and closes while nobody listens behind it."""
    assert amqp_lacks("127.0.0.1", answering()) == "the connection was accepted and closed"


def test_silence_is_not_served(answering):
    """A frozen broker's port accepts and says nothing."""
    assert amqp_lacks("127.0.0.1", answering(hold=True), timeout=0.05) == "the port does not answer"


def test_another_protocol_is_named(answering):
    """Something else on the port is shown as what it said."""
    assert "HTTP/1.1" in amqp_lacks("127.0.0.1", answering(b"HTTP/1.1 400 Bad Request\r\n"))


def test_a_closed_port_is_refused():
    """A port that nobody listens on is refused."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert amqp_lacks("127.0.0.1", port) == "connection refused"
