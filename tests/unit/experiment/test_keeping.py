"""What is kept of a failed run: its own files, as the report may tell them, and nothing else that lies there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_mqchaos.experiment.kept.keeping import copy_files
from pytest_mqchaos.model.events import Noted
from pytest_mqchaos.model.history import History
from pytest_mqchaos.model.messages import Message, digest

PASSWORD = "geh'eim\""
SECRET = "amqp://user:geheim@127.0.0.1:5672/v"
MOST = 1_000_000


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """A run whose consumer wrote a file of each kind."""
    directory = tmp_path / "run"
    directory.mkdir()
    history = History("k3f9", directory / "history.jsonl")
    body = b'{"order": 1}'
    known: dict[str, Any] = {"digest": digest(body), "queue": "orders", "headers": (("tenant", "north"),)}
    history.plan(Message(id="orders-k3f9-000001", number=1, body=body, **known))
    history.append(Noted(at=1, text=f"connected to {SECRET}"))
    history.close()
    (directory / "worker.output").write_bytes(f"started on {SECRET}\n".encode() + b"\xff\xfe\n")
    (directory / "worker#2.effects").write_text("orders-k3f9-000001\n")
    (directory / "worker.effects").touch()
    broker = SimpleNamespace(user="user", password=PASSWORD)
    return SimpleNamespace(directory=directory, broker=broker, broker_log=lambda lines: f"closed {SECRET}")


def kept(run: Any, tmp_path: Path, *, bodies: str = "digest", most: int = MOST) -> dict[str, bytes]:
    """Return the files that are kept, by their name."""
    target = tmp_path / "kept"
    target.mkdir()
    login = {"user": run.broker.user, "password": run.broker.password}
    log = run.broker_log(400)
    names = copy_files(run.directory, target, bodies=bodies, most=most, log=log, **login)
    found = {path.name: path.read_bytes() for path in target.iterdir()}
    assert sorted(names) == sorted(found)
    return found


def test_what_is_kept(run: Any, tmp_path: Path) -> None:
    """The history, output and effects that are not empty, the broker's log; bytes that are no text stay as they are."""
    found = kept(run, tmp_path)
    assert sorted(found) == ["broker.log", "history.jsonl", "worker#2.effects", "worker.output"]
    assert found["worker#2.effects"] == b"orders-k3f9-000001\n"
    assert found["worker.output"] == b"started on amqp://***@127.0.0.1:5672/v\n\xff\xfe\n"
    assert b"geheim" not in b"".join(found.values())


@pytest.mark.parametrize(
    ("bodies", "hexed", "digested"), [("none", False, False), ("digest", False, True), ("full", True, True)]
)
def test_bodies(run: Any, tmp_path: Path, bodies: str, hexed: bool, digested: bool) -> None:
    """Of the bodies of messages the history tells what the report does."""
    planned, noted = map(json.loads, kept(run, tmp_path, bodies=bodies)["history.jsonl"].splitlines())
    assert planned["event"] == "Planned"
    assert (bool(planned["body"]["hex"]), bool(planned["digest"])) == (hexed, digested)
    assert bool(planned["headers"]) == hexed
    assert planned["body"]["size"] == 12
    assert noted["text"] == "connected to amqp://***@127.0.0.1:5672/v"


def test_what_is_not_kept(run: Any, tmp_path: Path) -> None:
    """A link, a pipe, a folder, a socket's file and whatever else lies there is none of it."""
    outside = tmp_path / "secret"
    outside.write_text("not yours")
    (run.directory / "link.output").symlink_to(outside)
    os.mkfifo(run.directory / "pipe.output")
    (run.directory / "folder.effects").mkdir()
    (run.directory / "core").write_text("x")
    (run.directory / "two\nlines.output").write_text("x")
    assert len(kept(run, tmp_path)) == 4


def test_what_is_too_long(run: Any, tmp_path: Path) -> None:
    """Of a file that does not fit the end is kept, from the beginning of a line; all files share what may be."""
    lines = [f"line {n}".encode() for n in range(100_000)]
    (run.directory / "worker.output").write_bytes(b"\n".join(lines) + b"\n")
    found = kept(run, tmp_path, most=10_000)
    assert sum(map(len, found.values())) <= 10_000 + len(found["broker.log"])
    told = found["worker.output"].splitlines()
    assert told == lines[-len(told) :]
    assert len(told) > 100


def test_a_line_that_was_cut_off(run: Any, tmp_path: Path) -> None:
    """The last line of a history whose writer died within it is no fact, and costs nothing else."""
    with (run.directory / "history.jsonl").open("ab") as file:
        file.write(b'{"event":"Planned","id":"ord')
    assert len(kept(run, tmp_path)["history.jsonl"].splitlines()) == 2


def test_the_password_itself(run: Any, tmp_path: Path) -> None:
    """The broker's password is hidden wherever it stands, as it is and as a URL or JSON has it."""
    history = History("k3f9", run.directory / "history.jsonl")
    history.append(Noted(at=2, text=f"login {PASSWORD}"))
    history.close()
    said = f"{{'password': {PASSWORD}}}\nquoted geh%27eim%22, and ' alone\n"
    (run.directory / "worker.output").write_text(said)
    run.broker_log = lambda lines: f"refused {PASSWORD}"
    found = kept(run, tmp_path)
    assert found["worker.output"] == b"{'password': ***}\nquoted ***, and ' alone\n"
    assert found["broker.log"] == b"refused ***\n"
    assert json.loads(found["history.jsonl"].splitlines()[-1])["text"] == "login ***"


@pytest.mark.parametrize("password", ["1111", "pass", "true", "null"])
def test_a_password_that_stands_in_every_line(run: Any, tmp_path: Path, password: str) -> None:
    """A history stays what it is, whatever word or number the password is: texts are hidden, names and numbers not."""
    run.broker.password = password
    history = History("k3f9", run.directory / "history.jsonl")
    history.append(Noted(at=11110, text=f"login {password}"))
    history.close()
    last = json.loads(kept(run, tmp_path)["history.jsonl"].splitlines()[-1])
    assert (last["at"], last["text"]) == (11110, "login ***")


@pytest.mark.parametrize("before", [2**20 - n for n in (3, 10, 20, 40)])
@pytest.mark.parametrize("filled", [b"x" * 7 + b" ", b"x"])
def test_a_secret_across_the_pieces_of_a_long_line(
    run: Any, tmp_path: Path, before: int, filled: bytes
) -> None:
    """Where a line is too long to be read at once, nothing secret stands at its joints, and not a byte is missing."""
    run.broker.password = "geheim"
    before -= before % len(filled)
    (run.directory / "worker.output").write_bytes(
        filled * (before // len(filled)) + b"\xc3 amqp://me:anders@host/ x://a:geheim@ geheim " + b"y" * 2**20
    )
    assert kept(run, tmp_path, most=10 * 2**20)["worker.output"] == (
        filled * (before // len(filled)) + b"\xc3 amqp://***@host/ x://***@ *** " + b"y" * 2**20
    )


def test_a_torn_address(run: Any, tmp_path: Path) -> None:
    """Of a line without an end that does not fit, what is kept begins with a word: not within an address."""
    (run.directory / "worker.output").write_bytes(
        b"amqp://me:" + b"geheim" * 1000 + b"@host/ and " + b"y" * 2**21
    )
    output = kept(run, tmp_path, most=2**21 + 3000)["worker.output"]
    assert output == b"and " + b"y" * 2**21
