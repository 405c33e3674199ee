"""The drawing of the chain: every state come to has a box, every step an arrow between two boxes."""

from __future__ import annotations

from typing import Any

from pytest_mqchaos.report.figures.lifecycle import ENDS
from pytest_mqchaos.report.html.chain import chain


def step(origin: str, target: str, count: int, of: int) -> dict[str, Any]:
    """Return a step as a document has it."""
    return {
        "from": origin,
        "to": target,
        "count": count,
        "of": of,
        "probability": count / of,
        "low": 0.0,
        "high": 1.0,
    }


STEPS = [
    step("ready", "in_flight", 10, 10),
    step("in_flight", "requeued", 2, 12),
    step("in_flight", "dead_lettered", 1, 12),
    step("in_flight", "acknowledged", 9, 12),
    step("requeued", "in_flight", 2, 2),
    step("dead_lettered", "resting", 1, 1),
]
LIFE = {
    "messages": 10,
    "steps": STEPS,
    "deliveries": 1.2,
    "ends": dict.fromkeys(ENDS, 0.0) | {"acknowledged": 0.9, "resting": 0.1},
}


def test_boxes_and_arrows() -> None:
    """States that nothing came to are left out; an end tells how likely it is."""
    drawn = chain(LIFE)

    assert [(box.name, box.share) for box in drawn.boxes] == [
        ("ready", None), ("in flight", None), ("requeued", None), ("dead lettered", None),
        ("acknowledged", 0.9), ("resting", 0.1),
    ]  # fmt: skip
    assert [arrow.label for arrow in drawn.arrows] == [
        "100 % (10)", "16.7 % (2)", "8.3 % (1)", "75.0 % (9)", "100 % (2)", "100 % (1)",
    ]  # fmt: skip
    assert drawn.arrows[1].title == "in flight to requeued: 2 of 12"


def test_labels_of_opposite_ways_keep_apart() -> None:
    """There and back stand on two sides, so that neither covers the other."""
    _, there, _, _, back, _ = chain(LIFE).arrows
    assert {there.anchor, back.anchor} == {"start", "end"}
    assert (there.x < back.x) == (there.anchor == "end")


def test_everything_is_inside() -> None:
    """No box and no label leaves the drawing."""
    drawn = chain(LIFE)
    for box in drawn.boxes:
        assert box.x >= 0
        assert box.y >= 0
        assert box.x + box.width <= drawn.width
        assert box.y + box.height <= drawn.height


def test_nothing_is_drawn_above_the_highest_box() -> None:
    """Where nothing was requeued the drawing begins at the box of the first end."""
    short = [step("ready", "in_flight", 3, 3), step("in_flight", "acknowledged", 3, 3)]
    drawn = chain({**LIFE, "steps": short})
    assert drawn.top == min(box.y for box in drawn.boxes) - 8 > 0
    assert chain(LIFE).top == 1.0
