"""How a holder of servers is started, and what becomes of one that does not come up."""

import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from pytest_mqchaos.errors import ChaosError, ServerUnavailable
from pytest_mqchaos.servers.settings import ServerSettings
from pytest_mqchaos.servers.sharing import guest
from pytest_mqchaos.servers.sharing.place import Place
from pytest_mqchaos.servers.sharing.stopping import present


@pytest.fixture
def place(tmp_path):
    """Return the place of one session."""
    found = Place(tmp_path / "mqchaos-0123")
    with found.alone():
        yield found


def test_servers_that_are_not_to_be_had(place, monkeypatch):
    """Why not comes back in one line, and of the attempt nothing is left."""
    monkeypatch.setenv("PATH", "/nowhere")
    settings = ServerSettings(servers="process")
    with pytest.raises(ServerUnavailable, match="no server for the chaos tests; process: "):
        guest._start(settings, place)
    assert [one.name for one in place.folder.iterdir()] == ["lock"]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("", "said nothing; its last words: none$"),
        ("print('hello')", "said nothing; its last words: none$"),
        ("print('{}')", "said nothing; its last words: none$"),
        ("print('7')", "said nothing; its last words: none$"),
        ("import no_such_module", "said nothing; its last words: .*No module named 'no_such_module'$"),
        ("import json; print(json.dumps({'error': 'refused'}))", "^refused$"),
    ],
)
def test_a_holder_that_does_not_come_up(place, monkeypatch, code, error):
    """One that ends, or says something else, is an error."""
    monkeypatch.setattr(guest, "_command", lambda: [sys.executable, "-c", code])
    with pytest.raises(ChaosError, match=error):
        guest._start(ServerSettings(), place)


def test_a_holder_that_cannot_be_run(place, monkeypatch):
    """There is one line for it."""
    monkeypatch.setattr(guest, "_command", lambda: ["/nowhere/python"])
    with pytest.raises(ServerUnavailable, match="cannot be started: No such file"):
        guest._start(ServerSettings(), place)


def test_a_project_with_modules_named_as_the_librarys(place, tmp_path, monkeypatch):
    """The holder finds the standard library first: a project may have a `queue.py` of its own in front of it."""
    for name in ("queue", "secrets", "signal", "socketserver", "types", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('shadowed')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ServerUnavailable, match="no server for the chaos tests; process: "):
        guest._start(ServerSettings(servers="process"), place)


def test_the_starter_is_gone(place):
    """A holder that is not heard by anybody when its servers are up ends at once."""
    words = {"settings": {"tool_folder": None, "watched": [], "servers": "process"}, "folder": str(place.folder),
             "run": "a1b2c3", "kept": False, "idle": 1}  # fmt: skip
    reader, writer = os.pipe()
    os.close(reader)
    code = (
        "import pathlib, sys, time\n"
        "from pytest_mqchaos.servers.sharing import host\n"
        "host._detach = lambda: None\n"
        "host.start = lambda settings, **words: time.sleep(60)\n"
        "host.main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=writer,
        env={**os.environ, "PYTHONPATH": guest._path()},
    )
    os.close(writer)
    process.communicate(json.dumps(words).encode() + b"\n", timeout=20)
    assert process.returncode == 0
    assert place.state() is None


STAY, WHOLE, BROKEN = b'{"value": {}}\n', b'{"value": true}\n', b'{"value": false}\n'


def holder(place, **answers):
    """Return a holder at a place that is this process and answers these; the list of what it was asked grows."""
    asked = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                said = json.loads(connection.makefile().readline())
                asked.append(said["do"])
                threading.Thread(target=answer, args=(connection, said["do"]), daemon=True).start()

    def answer(connection, do):
        with suppress(OSError):
            said = answers[do]() if callable(answers[do]) else answers[do]
            connection.sendall(said)
            if said == STAY:
                connection.recv(1)
        connection.close()

    threading.Thread(target=serve, daemon=True).start()
    place.write({"port": listener.getsockname()[1], "token": "secret", "run": "a1b2c3", "pid": os.getpid(),
                 "since": 1.0, "engine": "", "description": "RabbitMQ 3.10"})  # fmt: skip
    return listener, asked


@pytest.fixture
def ended(monkeypatch):
    """Return the places whose servers were ended by force."""
    places = []
    monkeypatch.setattr(guest, "end", lambda place, *, force: places.append((place, force)))
    return places


@pytest.mark.parametrize("slow", ["stay", "whole"])
def test_a_holder_that_answers_late_is_joined(place, ended, slow):
    """On a busy machine it is waited for: what it holds serves other workers."""
    late = iter([b"", b"", STAY if slow == "stay" else WHOLE])
    listener, asked = holder(place, **{"stay": STAY, "whole": WHOLE, slow: lambda: next(late)})
    with listener:
        _, connection, _ = guest._found(place, "a", "1")
        guest._leave(connection)
    assert asked.count(slow) == 3
    assert ended == []


@pytest.mark.parametrize("kept", [False, True])
def test_a_holder_that_gives_no_answer_is_left_alone(tmp_path, ended, monkeypatch, kept):
    """After a while it is an error that says what was awaited: others may be at work on its servers."""
    monkeypatch.setattr(guest, "_JOINING", 0.3)
    place = Place(tmp_path / "mqchaos-0123", kept=kept)
    forever = threading.Event()
    with place.alone():
        listener, _ = holder(place, stay=lambda: (forever.wait(20), b"")[1])
        with listener, pytest.raises(ChaosError) as caught:
            guest._found(place, "a", "1")
    forever.set()
    assert ended == []
    assert str(caught.value) == (
        f"waited 0.3 s for process {os.getpid()}, which holds RabbitMQ 3.10, to take in a guest; last seen: stay: the "
        "process that holds the servers does not answer (timed out). It is left alone: others may use its servers; "
        + (
            "`python -m pytest_mqchaos stop --force` ends them"
            if kept
            else "fewer workers (-n) leave it more of the machine"
        )
    )


def test_a_holder_that_answers_with_an_error_is_left_alone(place, ended):
    """What it could not tell just now says nothing of its servers."""
    listener, _ = holder(place, stay=STAY, whole=b'{"error": "whole: KeyError: 1"}\n')
    with listener, pytest.raises(ChaosError, match=r"^whole: KeyError: 1$"):
        guest._found(place, "a", "1")
    assert ended == []


@pytest.mark.parametrize(
    "answers",
    [{"stay": STAY, "whole": BROKEN}, {"stay": b'{"ending": "these servers are ending"}\n'}],
)
def test_servers_that_do_not_serve_are_ended(place, ended, answers):
    """Broken ones, and those that end already, make way for others."""
    listener, _ = holder(place, **answers)
    with listener:
        assert guest._found(place, "a", "1") is None
    assert ended == [(place, True)]


def test_what_a_holder_left_that_is_gone_is_removed(place, ended, monkeypatch):
    """Nobody listens at its port any more, or there is another program and the holder's process is no more."""
    listener, _ = holder(place, stay=b"HTTP/1.1 400 Bad Request\r\n")
    with listener:
        monkeypatch.setattr(guest, "present", lambda pid: None)
        assert guest._found(place, "a", "1") is None
        monkeypatch.setattr(guest, "present", present)
    assert guest._found(place, "a", "1") is None
    assert ended == [(place, True)] * 2
