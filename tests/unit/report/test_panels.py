"""The panels of a run on the page: each figure stands there, and what is cut off is counted where it is."""

from __future__ import annotations

from typing import Any

import pytest
from report_builders import failing, passing, session
from test_html import read

from pytest_mqchaos.report.html import page


def text(*runs: Any, **fields: Any) -> str:
    """Return what the page of these runs says, without its marks."""
    return read(page(session(*runs, **fields))).text


@pytest.mark.parametrize(
    ("kept", "link"),
    [
        ("failed/it-1", "./failed/it-1/"),
        ("javascript:alert(1)", "./javascript%3Aalert%281%29/"),
        ("//evil.example/x", ".///evil.example/x/"),
        ('"><b>', "./%22%3E%3Cb%3E/"),
        ("\ud800", "./%3F/"),
    ],
)
def test_what_was_kept_is_a_link(kept: str, link: str) -> None:
    """The directory of a failed run is a link beside the page, and whatever a document says there stays a path."""
    assert link in read(page(session({**failing(), "kept": kept}))).attributes["href"]


def test_persistence_is_a_product() -> None:
    """Stored by retrieved has a row of its own, and what cannot be judged is counted beside it."""
    run = passing()
    share = {"count": 8, "of": 10, "share": 0.8, "low": 0.4, "high": 0.9}
    product = {"share": 0.64, "low": 0.3, "high": 0.85}
    run["endurance"] |= {"stored": share, "retrieved": share, "persistence": product, "undecided": 2}
    said = text(run)
    assert "persistence: stored × retrieved–64.0 %30.0 % and 85.0 %" in said
    assert (
        "2 messages that the broker held when it stopped cannot be judged, and are left out of both." in said
    )


def test_little_is_called_what_it_is() -> None:
    """The page says that Little's law is no second measurement, and what parts it from the measured wait."""
    run = passing()
    assert "Little's law reads the same moments another way: it is a check, no second measurement." in text(
        run
    )
    run["queueing"] |= {"never_begun": 3, "words": ["a word"]}
    assert "The two differ by 3 messages that nobody began to work on." in text(run)
    assert "Why M/M/2 may not fit here: a word." in text(run)


def test_deliveries_of_a_fan_out() -> None:
    """Where a message has several copies the page says whose deliveries it expects, and how many that makes."""
    run = passing()
    run["lifecycle"] |= {"deliveries": 1.25, "copies_per_message": 2.0, "deliveries_per_message": 2.5}
    said = text(run)
    assert "Expected deliveries of a copy until its end: 1.250" in said
    assert "A message had 2.000 copies in the mean, so it was delivered 2.500 times." in said
    assert "copies in the mean" not in text(failing())
