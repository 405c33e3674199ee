"""How a holder of servers is spoken to: a line of JSON each way, and whatever else comes instead."""

import json
import socket
import threading
from contextlib import suppress

import pytest

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.servers.sharing import talk
from pytest_mqchaos.servers.sharing.talk import Address, Gone, Taken, read_line, stay, write_line


@pytest.fixture
def pair():
    """Return both ends of a connection."""
    ours, theirs = socket.socketpair()
    for one in (ours, theirs):
        one.settimeout(5)
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def answering():
    """Return a function that answers one connection with some bytes and keeps what was asked."""
    listeners, asked = [], []

    def serve(listener, answer):
        connection, _ = listener.accept()
        with connection:
            asked.append(json.loads(connection.makefile().readline()))
            connection.sendall(answer)

    def start(answer):
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threading.Thread(target=serve, args=(listener, answer), daemon=True).start()
        return Address(listener.getsockname()[1], "secret"), asked

    yield start
    for listener in listeners:
        listener.close()


def test_a_line_there_and_back(pair):
    """What is written is read, however long, and in whatever pieces it comes."""
    ours, theirs = pair
    said = {"text": "ä" * 300_000, "n": [1, None, {"deep": True}]}
    threading.Thread(target=write_line, args=(ours, said)).start()
    assert read_line(theirs) == said


def test_half_a_line_is_none(pair):
    """A line whose other side ends before its end was never said."""
    ours, theirs = pair
    ours.sendall(b'{"token": "x", "do": "stop"}')
    ours.close()
    assert read_line(theirs) is None


@pytest.mark.parametrize("line", [b"\xff\n", b"{]\n", b"[1]\n", b"7\n"])
def test_what_is_no_object(pair, line):
    """Anything but an object of JSON is an error."""
    ours, theirs = pair
    ours.sendall(line)
    with pytest.raises(ValueError):  # noqa: PT011 - json's own words
        read_line(theirs)


def test_a_line_without_an_end(pair, monkeypatch):
    """One that is longer than any question is given up and not kept."""
    monkeypatch.setattr(talk, "_LONGEST", 100_000)
    ours, theirs = pair

    def flood():
        with suppress(OSError):  # the other side is closed
            while True:
                ours.sendall(b"x" * 65536)

    thread = threading.Thread(target=flood)
    thread.start()
    with pytest.raises(ValueError, match="too long"):
        read_line(theirs)
    theirs.close()
    thread.join(10)
    assert not thread.is_alive()


def test_a_question_and_its_answer(answering):
    """The token goes with each question, and the value comes back."""
    address, asked = answering(b'{"value": [1, 2]}\n')
    assert address.ask("whole", deep=True) == [1, 2]
    assert asked == [{"token": "secret", "do": "whole", "deep": True}]
    assert "secret" not in repr(address)


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (b'{"error": "the broker is down"}\n', ChaosError, "^the broker is down$"),
        (b'{"taken": "by another"}\n', Taken, "^by another$"),
        (b"", Gone, "does not answer"),
        (b'{"val', Gone, "does not answer"),
        (b"HTTP/1.1 400 Bad Request\r\n", Gone, "does not answer"),
        (b"[" * 100_000 + b"\n", Gone, "does not answer"),
    ],
)
def test_other_answers(answering, answer, error, words):
    """An error is raised as such; whoever does not speak our language, at a port that was a holder's, is not there."""
    address, _ = answering(answer)
    with pytest.raises(error, match=words):
        address.ask("whole")
    address, _ = answering(answer)
    with pytest.raises(error, match=words):
        stay(address, session="s")


def test_one_that_says_nothing():
    """It is waited for as long as was said, and not longer."""
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(Gone, match=r"whole: .* does not answer"),
    ):
        Address(silent.getsockname()[1], "secret").ask("whole", timeout=0.05)


def test_nobody_is_there():
    """A port at which nobody listens is a holder that has gone."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Gone, match=r"\(Connection refused\)"):
        Address(port, "secret").ask("whole")
