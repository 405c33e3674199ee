"""How a holder of servers is started, and what becomes of one that does not come up."""

import json
import os
import subprocess
import sys

import pytest

from pytest_mqchaos.errors import ChaosError, ServerUnavailable
from pytest_mqchaos.servers.settings import ServerSettings
from pytest_mqchaos.servers.sharing import guest
from pytest_mqchaos.servers.sharing.place import Place


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
        ("", "said nothing"),
        ("print('hello')", "said nothing"),
        ("print('{}')", "said nothing"),
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
