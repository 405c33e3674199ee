"""The drawing of a timeline: moments to places, marks to paths, lives through the rows."""

from __future__ import annotations

import pytest
from account_builders import delivered, done, found, ms, name, published, workload
from hypothesis import given
from hypothesis import strategies as st
from report_builders import eventful, failing, judged

from pytest_mqchaos.model.account import Account
from pytest_mqchaos.model.events import Nacked
from pytest_mqchaos.report.document import run_record
from pytest_mqchaos.report.html.drawing import Drawing
from pytest_mqchaos.report.html.lifelines import BOLD, LIVES, POINTS
from pytest_mqchaos.report.html.marks import bars, marks_path
from pytest_mqchaos.report.html.scale import Scale
from pytest_mqchaos.report.html.timeline import LEFT, RIGHT, timeline
from pytest_mqchaos.report.words import ending, number, seconds, setting, span


def drawn(account: Account | None = None) -> Drawing:
    """Return the drawing of a run."""
    run = (
        failing()
        if account is None
        else run_record(account, nodeid="t.py::t", attempt=1, outcome="x", reproduce="")
    )
    made = timeline(run)
    assert made is not None
    return made


def test_a_plain_scale_is_a_line() -> None:
    """Without a cut places are in proportion to seconds, and what lies outside is put on the edge."""
    scale = Scale(0.0, 10.0, [], left=100.0, right=200.0)

    assert [scale(at) for at in (-1, 0, 2.5, 10, 11)] == [100.0, 100.0, 125.0, 200.0, 200.0]
    assert Scale(0.0, 10.0, [], left=0.0, right=1000.0).ticks() == [
        (100.0 * at, str(at)) for at in (0, 2, 4, 6, 8, 10)
    ]


def test_a_cut_takes_a_fixed_width() -> None:
    """Whatever it skips; the rest shares what is left."""
    scale = Scale(0.0, 100.0, [(1.0, 99.0)], left=0.0, right=264.0, cut=64.0)

    assert [scale(at) for at in (0, 1, 50, 99, 100)] == [0.0, 100.0, 132.0, 164.0, 264.0]
    assert scale.cuts() == [(100.0, 164.0, 98.0)]
    assert all(not 1.0 < float(text) < 99.0 for _, text in scale.ticks())


@given(
    st.floats(-10, 10),
    st.floats(0.001, 1e4),
    st.lists(st.floats(0, 1), min_size=0, max_size=6, unique=True),
    st.lists(st.floats(0, 1), min_size=2, max_size=20),
)
def test_a_scale_keeps_the_order_of_time(
    first: float, length: float, edges: list[float], moments: list[float]
) -> None:
    """Later is never further left, and nothing leaves the axis."""
    edges = sorted(edges)
    quiet = [
        (first + a * length, first + b * length)
        for a, b in zip(edges[::2], edges[1::2], strict=False)
        if a < b
    ]
    scale = Scale(first, first + length, quiet, left=LEFT, right=RIGHT)
    places = [scale(first + at * length) for at in sorted(moments)]

    assert places == sorted(places)
    assert all(LEFT <= place <= RIGHT + 0.1 for place in places)
    assert len(scale.ticks()) < 100


def test_marks_at_one_place_are_drawn_once() -> None:
    """A burst of a thousand publishes is not a thousand strokes on one spot."""
    assert marks_path("published", [10.0, 10.0, 20.0], 5.0) == "M10 5m0-4.5v9M20 5m0-4.5v9"


def test_bars_are_as_high_as_their_counts() -> None:
    """The highest fills the row, and a single one can still be seen."""
    assert bars([(10.0, 100), (20.0, 50), (30.0, 1)], 10.0) == "M10 16.5v-13.0M20 16.5v-6.5M30 16.5v-1.0"


def test_the_rows_of_a_timeline() -> None:
    """A flag for each fault, a lane for the publisher, the queues and each consumer, with every number beside."""
    made = drawn()

    assert [(band.number, band.label.text) for band in made.bands] == [
        (1, "consumer_crash(after=ack(17))"),
        (2, "refuse(after=delivery(6), duration=0.5)"),
    ]
    assert made.bands[0].x == made.bands[0].until
    assert made.bands[1].x < made.bands[1].until
    labels = [label.text for label in made.labels]
    for words in (
        "publisher",
        "published 10",
        "confirmed 10",
        "queues",
        "worker",
        "worker#2",
        "deliveries 4",
        "effects 7",
    ):
        assert words in labels
    assert len({label.y for label in made.labels if label.anchor == "end"}) == len(labels) - 4
    assert made.judged == RIGHT
    assert all(0 < label.y < made.height for label in made.labels)


def test_the_strip_of_a_consumer() -> None:
    """Its processes, connections and subscriptions are three widths of one line, cut where they were."""
    kinds = [bar.kind for bar in drawn().bars]

    assert {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)} == {
        "process": 3,
        "connection": 4,
        "subscription": 4,
    }
    assert sum(path.kind == "marks ended" for path in drawn().paths) == 1


def test_a_life_is_drawn_through_the_rows_it_passed() -> None:
    """Published, delivered, acknowledged too early, and ended where its process was."""
    (life,) = drawn().lives

    assert (life.name, len(life.points)) == ("#3", 4)
    assert [x for x, _ in life.points] == sorted(x for x, _ in life.points)
    assert life.points[0][1] < life.points[3][1] < life.points[1][1] < life.points[2][1]


def test_every_finding_has_a_life_drawn() -> None:
    """A finding of many messages does not crowd the others out of the picture: each has one of the bold lines."""
    made = drawn(judged(found("lost", *range(1, 8)), found("stalled", 9)))

    bold = [life for life in made.lives if not life.faint]
    assert (len(bold), len(made.lives)) == (BOLD, 8)
    assert "#9" in [life.name for life in bold]
    assert made.left_out == []
    assert len({(label.x, label.y) for label in (life.label for life in bold)}) == BOLD


def test_every_life_that_is_told_is_drawn() -> None:
    """All of them up to a limit, the later ones thin; what is beyond it is counted."""
    events = [event for n in range(1, 61) for event in done(n, n)]
    made = drawn(judged(found("lost", *range(1, 61), violation=True), events=events, messages=workload(60)))
    assert len(made.lives) == LIVES
    assert [life.faint for life in made.lives] == [False] * BOLD + [True] * (LIVES - BOLD)
    assert made.left_out == [f"{60 - LIVES} more messages that findings name have no life here"]


def test_a_life_of_one_step_is_a_dot() -> None:
    """A message that a queue dropped was published and nothing more: it is drawn where that was."""
    made = drawn(judged(found("lost", 1, violation=True), events=[published(1, 0)], messages=workload(1)))

    (life,) = made.lives
    assert (len(life.points), life.path[-2:]) == (1, "h0")


def test_a_life_that_goes_round_and_round_is_cut() -> None:
    """Of a storm the first steps are drawn, and the drawing says so."""
    storm = [event for n in range(60) for event in (delivered(1, 10 + n, tag=n), requeued(1, 10.5 + n, n))]
    made = drawn(judged(found("requeue_storm", 1), events=[published(1, 0), *storm], messages=workload(1)))

    assert (len(made.lives[0].points), made.lives[0].cut) == (POINTS, True)
    assert "the life of #1 is drawn for its first 40 steps" in made.left_out


def requeued(number: int, at: float, tag: int) -> Nacked:
    """Return the return of a delivery to its queue."""
    return Nacked(
        at=ms(at), link="worker", connection=2, channel=1, message=name(number), tag=tag, requeue=True
    )


def test_a_run_of_nothing_is_drawn() -> None:
    """No event, one event, no figures: a drawing or none, and no error."""
    assert drawn(judged(events=[])).height > 0
    assert drawn(judged(events=eventful()[:3])).height > 0
    assert timeline({"timeline": None}) is None


@pytest.mark.parametrize(
    ("value", "told"),
    [(None, "–"), (0.0, "0.0 ms"), (0.00074, "0.7 ms"), (0.0424, "42 ms"), (0.9996, "1.00 s"), (12.5, "12.50 s"),
     (1234.0, "1,234 s")],
)  # fmt: skip
def test_how_long_reads(value: float | None, told: str) -> None:
    """In the unit that reads best."""
    assert span(value) == told


def test_other_words() -> None:
    """Numbers, moments, settings."""
    assert (number(None), number(12345), seconds(None), seconds(1.23456)) == ("–", "12,345", "–", "1.235 s")
    assert [setting(each) for each in (None, "", True, 1, 2.5)] == ["not set", "not set", "yes", "1", "2.5"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"until": None}, "ran when the run was judged"),
        ({"exit_code": 3, "by": "itself"}, "ended with exit code 3 at 1.000 s, by itself"),
        ({"exit_code": None, "by": "itself"}, "ended at 1.000 s, by itself; its exit code is not known"),
        (
            {"exit_code": None, "by": "fault", "restarts": True},
            "ended by a fault, seen to be gone at 1.000 s, started again; its exit code is not known",
        ),
        (
            {"exit_code": -9, "signal": "SIGKILL", "by": "fault", "restarts": True},
            "killed by SIGKILL by a fault, seen to be gone at 1.000 s, started again",
        ),
    ],
)
def test_how_a_process_ended(fields: dict[str, object], told: str) -> None:
    """Its signal or exit code, when, by whom, and whether it came back."""
    known = {"until": 1.0, "exit_code": 0, "signal": "", "by": "itself", "restarts": False}

    assert ending(known | fields) == told
