"""The stream of a command inside a container, without an engine."""

import socket
from types import SimpleNamespace

from pytest_mqchaos.servers.engine import ExecStream


def test_the_answer_is_closed_before_its_socket():
    """Python 3.13 flushes an answer that is collected later, and complains that its file is closed."""
    closed = []

    def part(name, **fields):
        return SimpleNamespace(close=lambda: closed.append(name), **fields)

    ours, _engine = socket.socketpair()
    with ours, _engine:
        stream = ExecStream(part("file", _sock=ours, _response=part("answer")))
        stream.close()
        assert closed == ["answer", "file"]
        assert ours.fileno() == -1
