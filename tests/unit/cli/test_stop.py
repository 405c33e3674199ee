"""`python -m pytest_mqchaos stop`: what it ends, what it leaves, and its exit status."""

import os

import pytest

from pytest_mqchaos.cli import main
from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.servers.sharing import kept_place, kept_places
from pytest_mqchaos.servers.sharing import place as module

STATE = {"port": 1, "token": "secret", "pid": 4712, "since": 0.0, "engine": ""}


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Look for kept servers in a folder of the test's own."""
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path))
    return tmp_path


def keep(name):
    """Write the address of a holder that is none, and return its place."""
    place = kept_place(name)
    with place.alone():
        place.write({**STATE, "run": name, "description": f"RabbitMQ {name}"})
    return place


def test_none(capsys):
    """There being nothing to end is no error."""
    assert main(["stop"]) == 0
    assert capsys.readouterr().out == "no servers are kept\n"


def test_holders_that_are_gone(capsys):
    """What they left is removed, with a line for each."""
    places = [keep("a1"), keep("b2")]
    places[0].directory("a1").mkdir()
    (places[1].folder / "host.json").write_text("garbage")
    assert main(["stop"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("ended: RabbitMQ a1 (kept since 19")
    assert "b2" not in out
    assert not places[0].directory("a1").exists()
    assert main(["stop"]) == 0
    assert capsys.readouterr().out == "no servers are kept\n"


def test_nothing_is_left_of_a_place(temporary):
    """Neither its lock nor its folders, also of one whose holder ended by itself; what is being started stays."""
    keep("a1")
    with kept_place("b2").alone():
        pass
    used = kept_place("c3")
    with used.alone():
        assert main(["stop"]) == 0
        assert kept_places() == [used]
    started = keep("d4").directory("e5")
    started.mkdir()
    assert main(["stop"]) == 0
    assert [place.folder for place in kept_places()] == [started.parent]
    started.rmdir()
    assert main(["stop"]) == 0
    assert list(temporary.iterdir()) == []


def test_one_in_use(capsys, monkeypatch):
    """It is named and left, the others end, and the exit status says that not all did; `--force` is handed on."""
    from pytest_mqchaos.cli import stop

    asked = []

    def end(place, *, force):
        asked.append(force)
        if not force and place == used:
            raise ChaosError("a session uses them just now")
        return place.state()["description"]

    used = keep("a1")
    keep("b2")
    monkeypatch.setattr(stop, "end", end)
    assert main(["stop"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("ended: RabbitMQ b2 (kept since ")
    assert err == "not ended: RabbitMQ a1: a session uses them just now; --force ends them\n"
    assert main(["stop", "--force"]) == 0
    assert asked == [False, False, True, True]


def test_a_folder_that_is_not_ours_alone(capsys, temporary):
    """An address that anybody could have written is not believed: one line, exit status 1."""
    folder = temporary / f"mqchaos-kept-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    assert main(["stop"]) == 1
    assert capsys.readouterr().err == f"{folder} is not a folder that only this user can read and write\n"
