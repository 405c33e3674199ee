"""The tutorial keeps its word: its files are run in its order, and what it shows is what comes."""

from __future__ import annotations

from pathlib import Path

from pages import blocks
from project import not_printed, run, skip_without_servers, verdicts, write
from readme import files

PAGE = "docs/tutorial.md"
WORKER, FIRST, FINDING, MEND = blocks(PAGE, "python")
_, FOUND, MENDED = [text for text in blocks(PAGE, "text") if text.startswith("$ pytest")]
BOOK = """\
    with open("orders.log", "a") as log:  # its work
        log.write(f"{order}\\n")
"""


def test_it_begins_as_the_readme() -> None:
    """Worker and first test are those of the README, whose own test runs them and compares the output."""
    assert files() == {"worker.py": WORKER, "test_orders.py": FIRST}


def test_the_finding_comes_and_goes_with_the_mend(tmp_path: Path) -> None:
    """The worker doubles the 17th order, in the lines of the page, and with its mend it does not."""
    write(tmp_path, {"worker.py": WORKER, "test_orders.py": FINDING})
    result = run(tmp_path)
    skip_without_servers(result)
    assert list(verdicts(tmp_path).values()) == ["fail"], result.stdout
    assert not_printed(FOUND, result) == [], result.stdout

    mended = WORKER.replace(BOOK, MEND)
    assert mended != WORKER
    write(tmp_path, {"worker.py": mended})
    (tmp_path / "orders.log").unlink()
    result = run(tmp_path)
    assert list(verdicts(tmp_path).values()) == ["pass"], result.stdout
    assert not_printed(MENDED, result) == [], result.stdout
