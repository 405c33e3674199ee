"""The line protocol of the Erlang shell, against a scripted one."""

import base64
import queue
import threading

import pytest

from pytest_mqchaos.brokers.rabbitmq.shell import Shell
from pytest_mqchaos.errors import ChaosError


class Scripted:
    """A shell that answers each line by a function of it; None is silence."""

    def __init__(self, answer):
        self.answer = answer
        self.lines = []
        self.outgoing = queue.Queue()

    def send(self, data):
        line = data.decode().rstrip("\n")
        self.lines.append(line)
        if len(self.lines) > 1 and (said := self.answer(line)) is not None:
            self.outgoing.put(said)

    def receive(self):
        return self.outgoing.get()

    def close(self):
        self.outgoing.put(b"")


@pytest.fixture
def shell_of():
    """Return a maker of shells, which are closed at the end."""
    shells = []

    def make(answer):
        stream = Scripted(answer)
        shells.append(Shell(stream))
        return shells[-1], stream

    yield make
    for one in shells:
        one.close()


def number(line):
    """Return the number of a request."""
    return line.split()[0].encode()


def test_arguments_travel_as_base64(shell_of):
    """Names may hold anything: spaces, quotes, line ends and letters of any language."""
    shell, stream = shell_of(lambda line: number(line) + b" ok null\n")
    assert shell.call("census", ['a "b"\nö', ""], timeout=1.0, what="x") is None
    _, timeout, function, *arguments = stream.lines[1].split(" ")
    assert (timeout, function) == ("1000", "census")
    assert [base64.b64decode(a[1:]).decode() for a in arguments] == ['a "b"\nö', ""]


def test_the_source_is_sent_first(shell_of):
    """The first line is the Erlang module itself."""
    _, stream = shell_of(lambda line: None)
    assert b"-module(mqchaos)." in base64.b64decode(stream.lines[0])


def test_answers_may_come_in_any_pieces_and_any_order(shell_of):
    """Calls of several threads get their own answers, however the bytes are cut."""
    held = []

    def answer(line):
        held.append(number(line) + b' ok {"of": ' + number(line) + b"}\n")
        return None if len(held) < 2 else b"noise of erlang\n" + held[1] + held[0][:5]

    shell, stream = shell_of(answer)
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(shell.call("about", timeout=5.0, what="x")["of"]))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    threads[1].join(0.05)
    while len(held) < 2:
        threads[0].join(0.01)
    stream.outgoing.put(held[0][5:])
    for thread in threads:
        thread.join(5.0)
    assert sorted(results) == [1, 2]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b' error "noconnection"\n', "the census: RabbitMQ is down"),
        (b' error "timeout"\n', "the census: no answer from RabbitMQ within 0.5 s"),
        (b' error "{badmatch,\\n  {error,x}}"\n', "the census: {badmatch, {error,x}}"),
    ],
)
def test_errors_are_one_line(shell_of, said, expected):
    """An error of the broker's VM is a ChaosError of one line that begins with what was wanted."""
    shell, _ = shell_of(lambda line: number(line) + said)
    with pytest.raises(ChaosError) as caught:
        shell.call("census", timeout=0.5, what="the census")
    assert str(caught.value) == expected


def test_silence_is_bounded(shell_of, monkeypatch):
    """A shell that says nothing at all does not keep its caller."""
    monkeypatch.setattr("pytest_mqchaos.brokers.rabbitmq.shell.GRACE", 0.0)
    shell, _ = shell_of(lambda line: None)
    with pytest.raises(ChaosError, match=r"^x: no answer from RabbitMQ within 0.05 s$"):
        shell.call("census", timeout=0.05, what="x")


def test_the_end_of_the_shell_ends_every_call(shell_of):
    """Whoever waits when the shell ends gets its last words; whoever calls later is told at once."""
    shell, stream = shell_of(lambda line: b"escript: no such file\n")
    stream.outgoing.put(b"")
    with pytest.raises(ChaosError, match="the Erlang shell"):
        shell.call("census", timeout=5.0, what="x")
    with pytest.raises(ChaosError, match="the Erlang shell"):
        shell.call("census", timeout=5.0, what="x")
    assert shell.closed
