"""A failure's text in the width of a terminal: where it breaks, and what has which colour."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mqchaos.report.wrapped import wrapped

LOST = """\
lost: 1 of 200 messages
  orders-k3f9-000017 lost by the consumer: its ack reached the broker, its work was never done
     0.016  published, confirmed
     0.016  acknowledged by worker         <- before its effect, consumer_crash(after=ack(17))
       ...  12 steps more
  mend: acknowledge after the work. To allow just this: allow=("lost:by_consumer",)
  again: pytest 'tests/test_orders.py::test_orders[consumer_crash-after-ack-17]' --mqchaos-seed=4711"""


def lines(width: int) -> list[str]:
    """Return the lines of the loss in a width."""
    return ["".join(text for text, _ in pieces) for pieces in wrapped(LOST, width)]


def test_a_wide_terminal_shows_it_as_it_is() -> None:
    """Nothing is broken or lost where there is room."""
    assert lines(120) == LOST.split("\n")


def test_a_narrow_one_breaks_between_words() -> None:
    """A step goes on under its words; the command that repeats it stays in one line."""
    assert lines(60) == [
        "lost: 1 of 200 messages",
        "  orders-k3f9-000017 lost by the consumer: its ack reached",
        "    the broker, its work was never done",
        "     0.016  published, confirmed",
        "     0.016  acknowledged by worker         <- before its",
        "            effect, consumer_crash(after=ack(17))",
        "       ...  12 steps more",
        "  mend: acknowledge after the work. To allow just this:",
        '    allow=("lost:by_consumer",)',
        LOST.split("\n")[-1],
    ]


def test_what_has_which_colour() -> None:
    """The verdict and the notes are red, the message bold, the mend green; the rest is plain."""
    coloured = [
        (text.strip(), set(markup)) for pieces in wrapped(LOST, 60) for text, markup in pieces if markup
    ]

    assert coloured == [
        ("lost: 1 of 200 messages", {"red", "bold"}),
        ("orders-k3f9-000017 lost by the consumer: its ack reached", {"bold"}),
        ("the broker, its work was never done", {"bold"}),
        ("<- before its", {"red"}),
        ("effect, consumer_crash(after=ack(17))", {"red"}),
        ("mend: acknowledge after the work. To allow just this:", {"green"}),
        ('allow=("lost:by_consumer",)', {"green"}),
    ]


@given(
    st.lists(st.text(st.characters(codec="ascii", exclude_categories=["C"]), max_size=200), max_size=6),
    st.integers(1, 200),
)
def test_no_word_is_lost(texts: list[str], width: int) -> None:
    """Whatever a consumer is called, all words come through in their order, and only one word is longer than a line."""
    text = "\n".join(texts)
    made = ["".join(piece for piece, _ in pieces) for pieces in wrapped(text, width)]

    assert " ".join(made).split() == text.split()
    for line in made:
        assert len(line) <= max(width, 40) or len(line.split()) == 1 or line.startswith("  again")


@pytest.mark.parametrize("label", ["cause", "note"])
def test_other_labels_are_plain(label: str) -> None:
    """A cause and a note have no colour of their own."""
    assert list(wrapped(f"x\n  {label}: y", 80))[1] == [(f"  {label}: y", {})]
