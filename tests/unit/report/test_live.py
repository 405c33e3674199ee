"""The live line: these figures, exactly this line, never wider than the terminal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_mqchaos.report.live import Glance, live_line

GLANCE = Glance(
    published=1200,
    in_flight=3,
    effected=1190,
    dead_lettered=None,
    faults=[("connection_drop(after=delivery(3))", "armed")],
    settling=False,
)


@pytest.mark.parametrize(
    ("glance", "line"),
    [
        (GLANCE, "1,200 published, 3 in flight, 1,190 effected; connection_drop(after=delivery(3)) armed"),
        (
            replace(GLANCE, dead_lettered=0, faults=[("refuse()", "fired")], settling=True),
            "1,200 published, 3 in flight, 1,190 effected, 0 dead-lettered; refuse() fired; settling",
        ),
        (
            replace(GLANCE, faults=[(f"f{n}()", "armed") for n in range(5)]),
            "1,200 published, 3 in flight, 1,190 effected; f0() armed; f1() armed; f2() armed; 2 faults more",
        ),
        (replace(GLANCE, faults=[]), "1,200 published, 3 in flight, 1,190 effected"),
    ],
)
def test_the_line(glance: Glance, line: str) -> None:
    """What is known is told, and nothing else."""
    assert live_line(glance, 200) == line


CRASH = ("consumer_crash(after=ack(17), consumer='worker')", "fired")
BUSY = Glance(published=60, in_flight=10, effected=33, dead_lettered=0, faults=[CRASH], settling=True)


@pytest.mark.parametrize(
    ("width", "faults", "line"),
    [
        (
            110,
            [CRASH],
            "60 published, 10 in flight, 33 effected, 0 dead-lettered; consumer_crash(...) fired; settling",
        ),
        (
            90,
            [CRASH],
            "60 published, 10 in flight, 33 effected, 0 dead-lettered; consumer_crash fired; settling",
        ),
        (79, [CRASH], "33 effected of 60, 10 in flight; consumer_crash fired; settling"),
        (60, [CRASH], "33 effected of 60, 10 in flight; 1 fault fired; settling"),
        (
            60,
            [CRASH, CRASH, ("refuse()", "armed")],
            "33 effected of 60; 1 fault armed, 2 faults fired; settling",
        ),
        (44, [CRASH], "33 effected of 60; 1 fault fired; settling"),
        (20, [CRASH], "33 effected of 60..."),
    ],
)
def test_a_narrow_line_keeps_what_it_is_for(width: int, faults: list[tuple[str, str]], line: str) -> None:
    """The arguments of faults go first, then their names; whether they struck, and the settling, go last."""
    assert live_line(replace(BUSY, faults=faults), width) == line
    assert len(line) <= width


@pytest.mark.parametrize("width", [0, 1, 3, 20, 79])
@pytest.mark.parametrize("name", ["\x1b]0;title\x07\r\n", "訂單" * 40, "\u202e" * 3, "x" * 300])
def test_it_fits(name: str, width: int) -> None:
    """Whatever a fault's consumer is called, the line is ASCII without controls, and no wider than it may be."""
    line = live_line(replace(GLANCE, faults=[(name, "armed")]), width)
    assert len(line) <= max(width, 3)
    assert line.isascii()
    assert line.isprintable() or line == ""
