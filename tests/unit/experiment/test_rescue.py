"""What the guard keeps of a run whose process was killed: asked for at its beginning, done by a program of its own."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_mqchaos.experiment.kept.rescue import Rescue, main, rescue
from pytest_mqchaos.experiment.kept.shelf import Shelf
from pytest_mqchaos.model.events import Noted
from pytest_mqchaos.model.history import History

TEST = "tests/test_it.py::test_it[baseline]"
SECRET = "amqp://user:geheim@127.0.0.1:5672/v"


class Told:
    """What the guard was told: errands that are to be done first, by name."""

    def __init__(self) -> None:
        self.errands: dict[str, Mapping[str, object]] = {}

    def errand(self, name: str, module: str, words: Mapping[str, object], *, first: bool = False) -> None:
        assert (module, first) == ("pytest_mqchaos.experiment.kept.rescue", True)
        self.errands[name] = json.loads(json.dumps(words))

    def done(self, name: str) -> None:
        self.errands.pop(name, None)


@pytest.fixture
def told(tmp_path: Path) -> Told:
    """A guard that was told of a run which has seen something."""
    directory = tmp_path / "k3f9"
    directory.mkdir()
    history = History("k3f9", directory / "history.jsonl")
    history.append(Noted(at=1, text=f"connected to {SECRET}"))
    history.close()
    with (directory / "history.jsonl").open("ab") as file:
        file.write(b'{"event":"Noted","at":2,"te')  # it was killed as it wrote
    guard = Told()
    Rescue(guard, directory, user="user", password="geheim").entrust(
        tmp_path / "report", TEST, 2, bodies="digest"
    )
    return guard


def test_what_is_kept(told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole lines of the history, without a password, in a directory that says whose it is."""
    ((name, words),) = told.errands.items()
    assert name == "rescue k3f9"
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(words)))
    main()
    kept = tmp_path / "report" / "failed" / "tests_test_it.py_test_it_baseline-2-cut"
    assert Shelf(tmp_path / "report").place(TEST, 2, cut=True) == kept
    assert sorted(path.name for path in kept.iterdir()) == ["history.jsonl", "kept.json"]
    (line,) = (kept / "history.jsonl").read_text().splitlines()
    assert json.loads(line)["text"] == "connected to amqp://***@127.0.0.1:5672/v"
    assert json.loads((kept / "kept.json").read_text()) == {"nodeid": TEST, "attempt": 2}


def test_a_run_that_ended_in_order_is_not_kept(told: Told, tmp_path: Path) -> None:
    """Its directory is gone: nothing is made; and it is not asked for any more."""
    (words,) = told.errands.values()
    (tmp_path / "k3f9" / "history.jsonl").unlink()
    (tmp_path / "k3f9").rmdir()
    rescue(words)
    assert not (tmp_path / "report").exists()
    Rescue(told, tmp_path / "k3f9", user="", password="").done()
    assert not told.errands


def test_it_is_run_anew(told: Told, tmp_path: Path) -> None:
    """What an earlier session's death left of a test goes when the test is run again; another's stays."""
    (words,) = told.errands.values()
    rescue(words)
    rescue({**words, "nodeid": "test_other"})
    shelf = Shelf(tmp_path / "report")
    shelf.clear_cut(TEST, 2)
    shelf.clear_cut(TEST, 1)
    assert [path.name for path in shelf.folder.iterdir()] == ["test_other-2-cut"]
