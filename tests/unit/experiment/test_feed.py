"""Files that effects are read from: lines, or what an expression finds in a program's output."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_mqchaos.effects.file import EffectsFile
from pytest_mqchaos.experiment.effects.feed import Feed, entry_field


def feed(path: Path, pattern: str | None = None, key: object = None) -> Feed:
    """Return a feed of a file."""
    found = None if pattern is None else re.compile(pattern)
    return Feed(EffectsFile(path, comments=found is None), "output", "worker", key, found)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pattern", "said", "found"),
    [
        (r"booked (\S+)", b"booked a\nbooked b\n", ["a", "b"]),
        (r"order-\d+", b"booked order-1 and order-2\n", ["order-1", "order-2"]),
        (r"booked (\d+)|done (\d+)", b"booked 1\ndone 2\nbooked 3 done 4\n", ["1", "2", "3", "4"]),
        (r"booked (\S+) for (\S+)", b"booked a for b\n", ["a"]),
        (r"booked (\S+)?", b"booked \nbooked a\n", ["a"]),
        (r"booked (\S+)", b"\xff\xfe booked a\r\n", ["a"]),
        (r"booked (\S+)", b"booked \xff\n", ["\\xff"]),
        (r"# booked (\S+)", b"# booked a\n#probe\n", ["a"]),
        (r"booked (\S+)$", b"booked a\r\n", ["a"]),
        (r"booked\n(\S+)", b"booked\na\n", []),
    ],
)
def test_what_an_expression_finds(tmp_path: Path, pattern: str, said: bytes, found: list[str]) -> None:
    """Its first group, or all of it; in each line as often as it is there."""
    path = tmp_path / "output"
    path.write_bytes(said)
    assert feed(path, pattern).read() == found


def test_a_line_that_comes_in_pieces(tmp_path: Path) -> None:
    """It is read when it is whole, whatever the pieces are."""
    path = tmp_path / "output"
    one = feed(path, r"booked (\S+)")
    told = []
    for piece in (b"book", b"ed or", b"der-1", b"7\nbooked ord", b"er-18\n"):
        with path.open("ab") as file:
            file.write(piece)
        told += one.read()
    assert told == ["order-17", "order-18"]


def test_a_key_of_what_was_found(tmp_path: Path) -> None:
    """It makes the id or key out of it."""
    path = tmp_path / "output"
    path.write_bytes(b"booked 0017\n")
    assert feed(path, r"booked (\S+)", key=int).read() == ["17"]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('{"order": "o-1", "at": 5}', "o-1"),
        ('{"order": 17}', "17"),
        ('{"order": null}', '{"order": null}'),
        ('{"orders": 17}', '{"orders": 17}'),
        ("[17]", "[17]"),
        ("17", "17"),
        ("o-1", "o-1"),
    ],
)
def test_a_key_that_is_a_field(tmp_path: Path, line: str, found: str) -> None:
    """Of a line of JSON; a line without it stays as it is, and so is counted among those that name no message."""
    path = tmp_path / "orders.jsonl"
    path.write_text(f"{line}\n")
    assert feed(path, key=entry_field("order")).read() == [found]


def test_a_field_of_a_row() -> None:
    """A callable may return mappings."""
    assert entry_field("order")({"order": 17}) == "17"


def test_output_is_not_in_order(tmp_path: Path) -> None:
    """A line may lie in a buffer while the ack goes out."""
    assert not feed(tmp_path / "output", "x").in_order
    assert feed(tmp_path / "effects").in_order


def test_what_the_hook_complains_of(tmp_path: Path) -> None:
    """It is trouble of the run, in one line, once."""
    path = tmp_path / "effects"
    path.write_bytes(
        b"#effect_after wrapped\n#effect_after there is no 'boook' in shop\n#effect_after other\n"
    )
    one = feed(path)
    assert one.read() == []
    assert one.file.wrapped
    assert str(one.trouble) == "consumer(effect_after=...): worker: there is no 'boook' in shop"
