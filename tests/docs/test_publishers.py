"""The page on publishers keeps its word: its publisher passes, and without confirms it is caught as the page shows."""

from __future__ import annotations

from pathlib import Path

from pages import blocks
from project import run, shape, skip_without_servers, verdicts, write

PAGE = "docs/publishers.md"
PUBLISHER, TEST, _ = blocks(PAGE, "python")
(FOUND,) = blocks(PAGE, "text")


def test_the_publisher_passes(tmp_path: Path) -> None:
    """Publisher and test of the page, as they stand there, under all three faults."""
    write(tmp_path, {"publisher.py": PUBLISHER, "test_publisher.py": TEST})
    result = run(tmp_path)
    skip_without_servers(result)
    assert sorted(verdicts(tmp_path).values()) == ["pass", "pass", "pass"], result.stdout


def test_without_confirms_it_is_caught(tmp_path: Path) -> None:
    """The line that the page speaks of makes the difference, and the account reads as it is shown."""
    wrong = PUBLISHER.replace("                channel.confirm_delivery()\n", "")
    assert wrong != PUBLISHER
    write(tmp_path, {"publisher.py": wrong, "test_publisher.py": TEST})
    result = run(tmp_path)
    skip_without_servers(result)
    assert verdicts(tmp_path)["connection_drop-before-publish-5"] == "fail", result.stdout
    printed = [shape(line) for line in result.stdout.splitlines()]
    for line in FOUND.splitlines()[1:]:  # how many is up to the moment
        assert any(shape(line) in each for each in printed), (line, result.stdout)
