"""What a consumer wrote around a strike: these times, exactly these places between the steps of a life."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from account_builders import done, found, ms, name, workload
from hostile import INJECTIONS, document_full_of
from report_builders import CONSUMERS, LOST, NODE, failing, judged, session
from test_html import read

from pytest_mqchaos.model.case import Line, Output
from pytest_mqchaos.model.messages import digest
from pytest_mqchaos.model.printable import printable
from pytest_mqchaos.report.document import run_record, schema
from pytest_mqchaos.report.html import page
from pytest_mqchaos.report.markdown import markdown
from pytest_mqchaos.report.overheard import overheard


def step(at: float, kind: str = "", where: str = "worker") -> dict[str, Any]:
    """Return a step of a life."""
    return {"at": at, "text": kind, "note": "", "kind": kind, "where": where}


def consumer(*lines: tuple[float, str], name: str = "worker", near: tuple[Any, ...] = ()) -> dict[str, Any]:
    """Return a consumer whose one process wrote these lines."""
    process = {
        "output": [text for _, text in lines],
        "output_at": [at for at, _ in lines],
        "output_near": [{"at": at, "text": text} for at, text in near],
    }
    return {"name": name, "processes": [process]}


STEPS = [
    step(0.1, "delivered"),
    step(0.2, "acked"),
    step(0.3, "consumer_ended"),
    step(0.5, "delivered", "worker#2"),
]


def placed(lines: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """Return the places and texts of lines."""
    return [(line["place"], line["text"]) for line in lines]


def test_lines_stand_between_the_steps_by_time() -> None:
    """What was seen before a step stands before it, and what was seen in the very moment of the strike before that."""
    lines = [(0.05, "up"), (0.15, "begins"), (0.2, "works"), (0.3, "last words"), (0.4, "again")]
    told = overheard(STEPS, [consumer(*lines)], None)
    assert placed(told) == [(0, "up"), (1, "begins"), (1, "works"), (2, "last words"), (3, "again")]
    assert {line["step"] for line in told} == {2}
    assert {line["consumer"] for line in told} == {"worker"}


def test_only_the_consumer_that_was_struck_is_heard() -> None:
    """Another one's lines say nothing of it."""
    assert overheard(STEPS, [consumer((0.2, "x"), name="worker#2")], None) == []


def test_a_life_without_a_strike_has_no_lines() -> None:
    """Nothing is told of a consumer that nothing happened to."""
    assert overheard(STEPS[:2], [consumer((0.15, "x"))], None) == []


def test_five_on_either_side() -> None:
    """The nearest ones, also of those from before the last lines."""
    near = tuple((0.2 + n / 1000, f"near {n}") for n in range(7))
    told = overheard(STEPS, [consumer(*((0.31 + n / 1000, f"after {n}") for n in range(9)), near=near)], None)
    assert [line["text"] for line in told] == [f"near {n}" for n in range(2, 7)] + [
        f"after {n}" for n in range(5)
    ]


def test_a_line_between_two_strikes_is_told_once() -> None:
    """Of three strikes at most, each line for the first one that it stands near."""
    steps = [step(n / 10, "link_lost") for n in range(1, 6)]
    told = overheard(steps, [consumer(*((n / 10 + 0.05, f"line {n}") for n in range(30)))], None)
    assert len(told) == len({line["text"] for line in told})
    assert {line["step"] for line in told} == {0, 1, 2}


def test_nothing_is_put_where_steps_are_left_out() -> None:
    """Where many steps are missing nobody can say between which of them a line stands."""
    steps = [step(0.1, "delivered"), step(0.9, "consumer_ended")]
    assert overheard(steps, [consumer((0.05, "first"), (0.5, "somewhere"))], 1) == [
        {"at": 0.05, "consumer": "worker", "text": "first", "place": 0, "step": 1}
    ]


def heard() -> dict[str, Any]:
    """Return the record of the eventful run, whose worker said something before it died and after."""
    lines = ("begins 3", "acknowledged 3, now the work", "boom")
    first = Output(100, lines, 12, (ms(61), ms(70.5), ms(72)), (Line(ms(30), "begins 1"),))
    second = Output(101, ("starting again",), 0, (ms(99),))
    return failing_with(first, second)


def failing_with(*output: Output) -> dict[str, Any]:
    """Return the record of the eventful run with this output of its first worker."""
    crew = (replace(CONSUMERS[0], output=output), CONSUMERS[1])
    known: dict[str, Any] = {"nodeid": NODE, "attempt": 1, "outcome": "failed", "reproduce": "x"}
    return run_record(judged(LOST, consumers=crew), **known)


def test_the_output_in_the_document() -> None:
    """Each line has its time, on the clock of the steps; the life has those around the strike, in their places."""
    run = heard()
    jsonschema.Draft202012Validator(schema()).validate(session(run))
    first, second = run["consumers"][0]["processes"]
    assert (first["output_at"], first["output_near"]) == (
        [0.06, 0.0695, 0.071],
        [{"at": 0.029, "text": "begins 1"}],
    )
    assert second["output_at"] == [0.098]
    (life,) = run["lives"]
    assert [each["text"] for each in life["events"]][1:4] == [
        "delivered to worker (tag 3)",
        "acknowledged by worker",
        "worker killed",
    ]
    assert placed(life["output"]) == [
        (1, "begins 1"), (2, "begins 3"), (3, "acknowledged 3, now the work"), (3, "boom"), (4, "starting again"),
    ]  # fmt: skip


def test_a_process_wrote_nothing_after_its_end() -> None:
    """A look that came late does not put its last words behind its end."""
    run = failing_with(Output(100, ("last",), 0, (ms(90),)))
    process = run["consumers"][0]["processes"][0]
    assert process["output_at"] == [process["until"]]


def test_the_lines_in_the_page() -> None:
    """Between the steps, with who wrote them, and with their times among the last words too."""
    text = read(page(session(heard()))).text
    assert "0.070worker acknowledged 3, now the work 0.071worker boom 0.071worker killed" in text
    assert "0.098worker starting again" in text
    assert "0.071 boom" in text
    assert "1 earlier line around a strike" in text
    assert text.count("Marked at the side: what a consumer wrote around a strike") == 1
    silent = read(page(session(failing_with()))).text
    assert "Marked at the side" not in silent


def test_the_lines_in_the_summary() -> None:
    """Three before the first strike of the first life, and two after it."""
    text = markdown(session(heard()))
    assert "     0.071    worker | boom\n     0.071  worker killed" in text
    assert "begins 1" not in text
    assert "     0.098    worker | starting again" in text


def test_a_document_without_times_has_a_page() -> None:
    """One that was written before lines had times is rendered as it was, and so is its summary."""
    old = json.loads(json.dumps(session(heard())))
    for run in old["runs"]:
        for life in run["lives"]:
            del life["output"], life["headers"]
        for each in run["consumers"]:
            for process in each["processes"]:
                del process["output_at"], process["output_near"]
    text = read(page(old)).text
    assert "acknowledged 3, now the work boom" in text
    assert "worker | boom" not in markdown(old)


@pytest.mark.parametrize("evil", INJECTIONS)
def test_hostile_output_stays_text(evil: str) -> None:
    """In a life, among the last words, in the summary: it is shown, and does nothing; nothing reaches a terminal."""
    line = printable(evil)
    run = failing_with(Output(100, (line,), 0, (ms(70.5),), (Line(ms(20), line),)))
    shown = re.sub(r"\s+", " ", line)
    assert read(page(session(run))).text.count(shown) == 4
    assert evil == line or evil not in markdown(session(run))
    assert read(page(document_full_of(evil))).text.count(f"{shown} {shown}") > 0


@pytest.mark.parametrize(
    ("bodies", "told"),
    [
        ("none", []),
        ("digest", [("tenant", digest(b"north"), "")]),
        ("full", [("tenant", digest(b"north"), "north")]),
    ],
)
def test_what_is_told_of_headers(bodies: str, told: list[tuple[str, str, str]]) -> None:
    """As of bodies: nothing, a digest of each value, or the value."""
    messages = {one.id: replace(one, headers=(("tenant", "north"),)) for one in workload(3).values()}
    events = [event for n in (1, 2, 3) for event in done(n, n)]
    run = run_record(
        judged(found("lost", 1, violation=True), events=events, messages=messages),
        nodeid=NODE, attempt=1, outcome="failed", reproduce="x", bodies=bodies,
    )  # fmt: skip
    (life,) = run["lives"]
    assert life["id"] == name(1)
    assert [(each["name"], each["digest"], each["value"]) for each in life["headers"]] == told
    text = read(page(session(run))).text
    assert ("header tenant north" in text) == (bodies == "full")
    assert (f"header tenant digest {digest(b'north')}" in text) == (bodies == "digest")


def test_the_same_document_is_the_same_page() -> None:
    """Rendered twice, and after a way through JSON, with lines of output in it."""
    made = session(heard(), failing())
    assert page(made) == page(json.loads(json.dumps(made)))
    assert markdown(made) == markdown(json.loads(json.dumps(made)))
