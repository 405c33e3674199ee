"""The drawing of the chain: every state come to has a box, every step an arrow between two boxes."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pytest_mqchaos.report.figures.lifecycle import ENDS
from pytest_mqchaos.report.html.chain import Arrow, chain


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


STATES, ALL_ENDS = (
    ("ready", "in_flight", "requeued", "dead_lettered"),
    ("acknowledged", "dropped", "unsettled", "resting"),
)
EVERY = [step(one, other, 12_345, 98_765) for one in STATES for other in (*STATES, *ALL_ENDS) if one != other]


def along(d: str) -> list[tuple[float, float]]:
    """Return points of an arrow's path, of a line or of a curve with one control point."""
    begin, *rest = re.findall(r"[MLQ ]*([\d.-]+) ([\d.-]+)", d)
    points = [(float(x), float(y)) for x, y in (begin, *rest)]
    (bx, by), (ex, ey) = points[0], points[-1]
    cx, cy = points[1] if len(points) == 3 else ((bx + ex) / 2, (by + ey) / 2)
    shares = [n / 200 for n in range(201)]
    return [
        (
            (1 - t) ** 2 * bx + 2 * t * (1 - t) * cx + t * t * ex,
            (1 - t) ** 2 * by + 2 * t * (1 - t) * cy + t * t * ey,
        )
        for t in shares
    ]


def sides(arrow: Arrow) -> tuple[float, float]:
    """Return how far a label reaches to the left and to the right, at six units a letter."""
    wide = 6.0 * len(arrow.label)
    left = {"start": 0.0, "middle": wide / 2, "end": wide}[arrow.anchor]
    return arrow.x - left, arrow.x - left + wide


@pytest.mark.parametrize(
    "steps",
    [
        EVERY,
        STEPS,
        [*STEPS, step("ready", "dropped", 1, 12), step("ready", "unsettled", 2, 12)],
        *([*STEPS, each] for each in EVERY),
    ],
)
def test_no_arrow_crosses_a_box(steps: list[dict[str, Any]]) -> None:
    """Whatever steps there were, an arrow passes only its own two boxes, and no label lies on any box."""
    drawn = chain({**LIFE, "steps": steps})
    boxes = {box.name.replace(" ", "_"): box for box in drawn.boxes}
    for arrow, each in zip(drawn.arrows, steps, strict=True):
        left, right = sides(arrow)
        for name, box in boxes.items():
            if name not in (each["from"], each["to"]):
                inside = [
                    (x, y)
                    for x, y in along(arrow.d)
                    if box.x <= x <= box.x + box.width and box.y <= y <= box.y + box.height
                ]
                assert inside == [], (arrow.title, name)
            over = left < box.x + box.width and right > box.x
            assert not (over and arrow.y - 8 < box.y + box.height and arrow.y + 2 > box.y), (
                arrow.title,
                name,
            )
        assert min(y for _, y in along(arrow.d)) >= drawn.top
        assert max(y for _, y in along(arrow.d)) <= drawn.height
        assert left >= 0
        assert right <= drawn.width
