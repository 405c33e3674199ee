"""The page about `try`: its language is that of the command."""

from __future__ import annotations

import re

import pytest
from pages import ROOT, blocks

from pytest_mqchaos.cli import scenarios

PAGE = "docs/try.md"
TEXT = (ROOT / PAGE).read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([^`]+)` \| `(\w+\(.*\))`", TEXT, re.MULTILINE)


def test_the_grammar_is_the_one_of_the_module() -> None:
    """Line by line."""
    grammar = next(text for text in blocks(PAGE, "text") if text.startswith("scenario  ="))
    assert grammar in (scenarios.__doc__ or "")


@pytest.mark.parametrize(("word", "written"), ROWS)
def test_each_word_is_what_the_page_says(word: str, written: str, tmp_path, monkeypatch) -> None:
    """The right column is the source that the left one becomes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.json").write_text("{")
    assert scenarios.parse(word).source == written.replace("(body=...)", '(body="{")')


def test_there_are_rows() -> None:
    """The table is found."""
    assert len(ROWS) == 9
