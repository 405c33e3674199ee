"""Where a holder's address is kept, and whom it is believed."""

import json
import os
import socket
import subprocess
import sys
import threading

import pytest

from pytest_mqchaos.errors import ChaosError, ServerUnavailable
from pytest_mqchaos.servers.sharing import place as module
from pytest_mqchaos.servers.sharing import stopping
from pytest_mqchaos.servers.sharing.place import Place, kept_place, kept_places

STATE = {
    "port": 4711,
    "token": "secret",
    "run": "a1b2c3",
    "pid": 4712,
    "since": 1.5,
    "engine": "",
    "description": "RabbitMQ",
}


@pytest.fixture
def place(tmp_path):
    """Return the place of one session."""
    found = Place(tmp_path / "mqchaos-0123")
    with found.alone():
        pass
    return found


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Return the folder for temporary files, a new one."""
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_what_was_written_is_found_by_its_owner_only(place):
    """The address comes back, from a file that nobody else reads, and goes with its own run alone."""
    assert place.state() is None
    place.write(STATE)
    assert (place.folder / "host.json").stat().st_mode & 0o777 == 0o600
    assert place.folder.stat().st_mode & 0o777 == 0o700
    assert place.state() == STATE
    place.clear("another")
    assert place.state() == STATE
    place.clear("a1b2c3")
    assert place.state() is None
    place.clear("a1b2c3")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "\0\0\0", "[" * 100_000, '"host"', json.dumps({**STATE, "port": None})]
    + [json.dumps({key: STATE[key] for key in STATE if key != left}) for left in STATE]
    + [
        json.dumps({**STATE, **wrong})
        for wrong in (
            {"port": "22"},
            {"port": 0},
            {"port": 70000},
            {"pid": -1},
            {"pid": 1},
            {"run": "../.."},
            {"run": ""},
        )
    ],
)
def test_garbage_is_no_holder(place, text):
    """Whatever stands where the address should: there is no holder, nothing ends, and nothing is removed."""
    (place.folder / "host.json").write_text(text)
    (place.folder / "precious").touch()
    assert place.state() is None
    assert stopping.end(place, force=True) == ""
    assert (place.folder / "precious").exists()


def test_a_holder_that_is_gone_is_cleaned_by_its_run_alone(place, tmp_path):
    """Of what a file says only the run's own folder is removed, wherever else it points."""
    precious = tmp_path / "precious"
    precious.mkdir()
    place.directory("a1b2c3").mkdir()
    other = place.directory("d4e5f6")
    other.mkdir()
    place.write({**STATE, "port": 1, "directory": str(precious)})
    assert stopping.end(place) == "RabbitMQ"
    assert precious.is_dir()
    assert other.is_dir()
    assert not place.directory("a1b2c3").exists()
    assert place.state() is None


def test_one_at_a_time(place):
    """Whoever wants a place that somebody has waits for its turn."""
    order, waits = [], threading.Event()

    def second():
        waits.set()
        with place.alone():
            order.append("second")

    with place.alone():
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_it_waits_no_longer_than_that(place, monkeypatch):
    """A place that is never free is an error that names the lock."""
    monkeypatch.setattr(module, "_LOCK_TIMEOUT", 0.05)
    code = (
        "import sys, pathlib; from pytest_mqchaos.servers.sharing.place import Place\n"
        "with Place(pathlib.Path(sys.argv[1])).alone():\n    print('has it', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(place.folder)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as other:
        assert other.stdout.readline() == b"has it\n"
        with (
            pytest.raises(ServerUnavailable, match=r"another process that starts servers .*/lock\)"),
            place.alone(),
        ):
            pass
        other.kill()
    with place.alone():  # with whoever had it, the lock went
        pass


def test_what_fails_in_the_place_is_told_as_it_is(place):
    """An error of what is done there is not taken for one of the folder."""
    with pytest.raises(OSError, match=r"^its own$"), place.alone():
        raise OSError("its own")


def test_the_same_options_are_the_same_place(temporary):
    """Kept servers are found by what they are, under a name that is the user's."""
    one = kept_place("docker", "rabbitmq:4")
    assert one == kept_place("docker", "rabbitmq:4")
    assert one != kept_place("docker", "rabbitmq:3")
    assert one.folder.parent == temporary / f"mqchaos-kept-{os.getuid()}"
    assert kept_places() == []
    with one.alone():
        assert kept_places() == [one]


def foreign(folder):
    """Make a folder that another user made."""
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12345)


def open_to_all(folder):
    """Make a folder that anybody can write."""
    folder.mkdir()
    folder.chmod(0o777)


def a_link(folder):
    """Make a link to a folder of ours."""
    target = folder.with_name("elsewhere")
    target.mkdir(mode=0o700)
    folder.symlink_to(target)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(
            foreign, marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
        ),
        open_to_all,
        a_link,
        lambda folder: folder.write_text(""),
    ],
    ids=["foreign", "open to all", "a link", "a file"],
)
def test_a_folder_that_others_could_write_is_not_believed(temporary, make):
    """An address from there could be anybody's: it is refused, for keeping and for ending."""
    make(temporary / f"mqchaos-kept-{os.getuid()}")
    with (
        pytest.raises(ServerUnavailable, match="is not a folder that only this user can"),
        kept_place("it").alone(),
    ):
        pass
    if (temporary / f"mqchaos-kept-{os.getuid()}").is_dir():
        with pytest.raises(ChaosError, match="is not a folder that only this user can"):
            kept_places()


def test_a_folder_that_cannot_be_made(temporary, monkeypatch):
    """There is one line for it."""
    (temporary / "file").write_text("")
    monkeypatch.setattr(module.tempfile, "tempdir", str(temporary / "file"))
    with pytest.raises(ServerUnavailable, match="cannot be made: Not a directory"), kept_place("it").alone():
        pass
    assert kept_places() == []


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="looks at /proc")  # noqa: PTH110
def test_the_end_of_a_process_that_nobody_asks_for():
    """A process that has ended is gone though its parent never asks, as the first one of a container often does not."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert stopping.present(process.pid) == f"its process {process.pid} runs"
    process.stdin.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert stopping.present(process.pid) is None
    process.wait()
    assert stopping.present(process.pid) is None


def test_a_holder_that_does_not_answer_is_ended_by_force_alone(place, monkeypatch):
    """A session may use its servers, which only it could tell."""
    cleaned = []
    monkeypatch.setattr(stopping, "_ENDING", 0.05)
    monkeypatch.setattr(stopping, "_HANGS", 0.05)
    monkeypatch.setattr(stopping.Guardian, "clean", lambda self, *, orderly: cleaned.append(orderly))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place.write({**STATE, "port": silent.getsockname()[1], "pid": os.getpid()})
        with pytest.raises(ChaosError, match="does not answer"):
            stopping.end(place)
        assert cleaned == []
        assert stopping.end(place, force=True) == STATE["description"]
    assert cleaned == [False]
