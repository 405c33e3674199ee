"""The history on a disk that takes less than it is given, or nothing any more."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.model.events import Event, Noted
from pytest_mqchaos.model.history import History

FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")
def test_a_full_disk() -> None:
    """Who waits for a fact is told of it all the same, and what rests on the history is an error of one line."""
    history = History("k3f9", FULL)
    told: list[Event] = []
    history.subscribe(told.append)
    history.check()
    for at in (1, 2):
        history.append(Noted(at=at, text="seen"))
    assert told == list(history) == [Noted(at=1, text="seen"), Noted(at=2, text="seen")]
    with pytest.raises(ChaosError) as caught:
        history.check()
    assert str(caught.value) == (
        "the history of the run could not be written (No space left on device) to /dev/full: "
        "TMPDIR=... names a folder with more room"
    )
    history.close()


def test_a_disk_that_takes_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not taken is written behind it, so that each line is whole; after the last byte that fits is nothing."""
    write, room = os.write, [200]

    def some(descriptor: int, data: bytes) -> int:
        taken = min(len(data), 7, room[0])
        if not taken:
            raise OSError(28, os.strerror(28))
        room[0] -= taken
        return write(descriptor, data[:taken])

    monkeypatch.setattr(os, "write", some)
    history = History("k3f9", tmp_path / "history.jsonl")
    history.append(Noted(at=1, text="first"))
    history.check()
    for at in range(2, 9):
        history.append(Noted(at=at, text="more"))
    room[0] = 1000  # somebody made room: too late
    history.append(Noted(at=9, text="last"))
    *whole, _ = (tmp_path / "history.jsonl").read_text().split("\n")
    assert [json.loads(line)["at"] for line in whole] == list(range(1, len(whole) + 1))
    assert 1 < len(whole) < 8
    with pytest.raises(ChaosError, match="No space left"):
        history.check()
