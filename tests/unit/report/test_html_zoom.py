"""A strike from near, and a timeline in one sentence."""

from __future__ import annotations

from typing import Any

import pytest
from account_builders import done, found, name, workload
from report_builders import LOST, NODE, eventful, failing, judged, passing, session
from test_html import read

from pytest_mqchaos.report.document import run_record
from pytest_mqchaos.report.html import page
from pytest_mqchaos.report.html.spoken import spoken
from pytest_mqchaos.report.html.timeline import LEFT, RIGHT, timeline
from pytest_mqchaos.report.html.zoom import window, zooms


def stretched() -> dict[str, Any]:
    """Return the eventful run on an axis without a cut: two seconds long."""
    run = failing()
    return {**run, "timeline": {**run["timeline"], "quiet": []}}


def test_a_named_strike_is_drawn_from_near() -> None:
    """A tenth of a second on either side: the ack, the strike and the end are far from each other."""
    ((number, at, near, drawing),) = zooms(stretched())

    assert (number, at) == (1, 0.071)
    assert (near["timeline"]["from"], near["timeline"]["until"]) == pytest.approx((-0.029, 0.171))
    (band,) = drawing.bands
    assert band.x == pytest.approx((LEFT + RIGHT) / 2, abs=0.2)
    (life,) = drawing.lives
    acked, ended = life.points[-2:]
    assert acked[0] < ended[0] == band.x
    assert all(LEFT <= x <= RIGHT for x, _ in life.points)
    labels = {label.text for label in drawing.labels}
    assert {"deliveries 4", "acks 3", "effects 2", "effects 4"} <= labels
    assert [drawing.judged, drawing.left_out] == [None, []]
    assert sum(path.kind == "marks ended" for path in drawing.paths) == 1
    assert (near["timeline"]["depth"]["most_waiting"] > 0, len(near["consumers"])) == (True, 2)


def test_only_what_lies_in_the_window() -> None:
    """Half a second on nothing of the crash is left, and who was not there has no lane."""
    run = failing()
    run["consumers"][0]["processes"] = run["consumers"][0]["processes"][:1]
    run["consumers"][0]["connections"] = run["consumers"][0]["connections"][:1]
    near = window(run, 0.5, 0.7)

    assert near["timeline"]["lanes"] == ["publisher", "worker#2"]
    assert [len(fault["struck"]) for fault in near["faults"]] == [0, 1]
    assert near["timeline"]["marks"] == []
    assert near["timeline"]["depth"]["points"][0][0] == 0.5
    assert run["faults"][0]["struck"] != []


def longer() -> dict[str, Any]:
    """Return a run of so many messages that their marks are counted."""
    events = [*eventful(), *(event for n in range(11, 2000) for event in done(n, 900 + n))]
    account = judged(LOST, events=sorted(events, key=lambda event: event.at), messages=workload(2000))
    return run_record(account, nodeid=NODE, attempt=1, outcome="failed", reproduce="x")


@pytest.mark.parametrize(
    "run",
    [
        passing(),
        longer(),
        {"timeline": None},
        {**stretched(), "findings": [{**each, "fault": 7} for each in failing()["findings"]]},
        run_record(judged(found("lost", 3, violation=True)), nodeid=NODE, attempt=1, outcome="failed", reproduce=""),
        {**failing(), "timeline": {**failing()["timeline"], "from": 0.0, "until": 0.5, "quiet": []}},
    ],
)  # fmt: skip
def test_where_nothing_is_drawn_from_near(run: dict[str, Any]) -> None:
    """Without a strike that a finding names, with counted marks, or on an axis that is short anyway."""
    assert zooms(run) == []


def test_a_timeline_in_a_sentence() -> None:
    """Who hears the page hears how many of what, on which lane, and when what struck."""
    told = spoken(failing())

    assert told == (
        "From 0.000 s to 1.999 s: publisher: 10 published; worker: 4 delivered, 3 acknowledged, 2 worked on, 1 link "
        "lost; worker#2: 7 delivered, 7 acknowledged, 7 worked on, 1 link lost; consumer_crash(after=ack(17)) struck "
        "worker at 0.071 s; refuse(after=delivery(6), duration=0.5) struck worker#2 at 0.299 s; judged at 1.999 s."
    )
    many = failing()
    many["faults"][0]["struck"] *= 6
    assert "; 3 more strikes; judged" in spoken(many)


def test_what_was_stopped_is_counted_apart() -> None:
    """A delivery that died on its way is one more, in the sentence and beside the drawing."""
    run = failing()
    stopped = {"lane": "worker", "kind": "delivered_stopped", "total": 1, "step": 0.0, "points": [[0.05, 1]]}
    run["timeline"]["marks"].append(stopped)
    drawing = timeline(run)

    assert drawing is not None
    assert "deliveries 4 + 1 ✗" in {label.text for label in drawing.labels}
    assert "worker: 4 delivered and 1 stopped on the way, 3 acknowledged" in spoken(run)
    words = "stopped on its way, counted behind the +"
    assert (words in page(session(run)), words in page(session(failing()))) == (True, False)


def test_the_page_has_both() -> None:
    """Each drawing has its heading and its sentence, and no id stands twice."""
    text = page(session(stretched()))

    assert read(text).text.count("From near: fault 1, at 0.071 s") == 1
    assert text.count('<p class="hidden">From ') == 2
    assert f"the life of {name(3)}" in text
