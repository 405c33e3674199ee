"""The stream of a command inside a container, and that of a container's output, without an engine."""

import socket
from types import SimpleNamespace

from pytest_mqchaos.servers import programs
from pytest_mqchaos.servers.engine import ExecStream

SAID = b"\1\0\0\0\0\0\0\2ab\2\0\0\0\0\0\0\3no!\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\1c"
"""Output, errors, nothing, and output again."""


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


def test_output_is_told_from_errors_however_it_comes():
    """A command's output is what its frames of that kind hold, each byte on its own too; at the end there is none."""
    ours, engine = socket.socketpair()
    with ours, engine:
        stream = ExecStream(ours)
        for one in SAID:
            engine.sendall(bytes([one]))
        assert (stream.receive(), stream.receive()) == (b"ab", b"c")
        stream.send(b"in")
        assert engine.recv(10) == b"in"
        engine.sendall(SAID[:5])
        engine.shutdown(socket.SHUT_WR)
        assert stream.receive() == b""
        stream.close()
        stream.close()


def test_what_a_container_says_goes_to_the_end_of_a_file(tmp_path):
    """Both its streams do as they come, and of a frame that is cut off what there is."""
    output = tmp_path / "output"
    output.write_bytes(b"before: ")
    ours, engine = socket.socketpair()
    with engine:
        engine.sendall(SAID + b"\1\0\0\0\0\0\0\11cut off")
        engine.shutdown(socket.SHUT_WR)
        programs._copy(ours, output)
    assert output.read_bytes() == b"before: abno!ccut off"
    assert ours.fileno() == -1


def test_what_a_container_says_when_the_folder_is_gone(tmp_path):
    """It goes nowhere, and its stream is closed."""
    ours, engine = socket.socketpair()
    with engine:
        programs._copy(ours, tmp_path / "gone" / "output")
    assert ours.fileno() == -1
