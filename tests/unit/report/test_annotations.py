"""Annotations: at most three, one a cause, the worst first, and no text that ends or begins a command."""

from __future__ import annotations

from typing import Any

import pytest
from account_builders import UNKNOWN, account, found
from hostile import INJECTIONS, document_full_of
from report_builders import failing, passing, session

from pytest_mqchaos.report.annotations import annotated
from pytest_mqchaos.report.document import run_record


def run(*findings: Any, scenario: str = "drop", outcome: str = "failed") -> dict[str, Any]:
    """Return the record of a run with these findings."""
    nodeid = f"t.py::test_it[{scenario}]"
    return run_record(
        account(*findings), nodeid=nodeid, attempt=1, outcome=outcome, reproduce="pytest x", scenario=scenario
    )


def test_a_failure() -> None:
    """What happened, what mends it and what repeats it, at its place."""
    made = failing()
    assert annotated(session(made, passing()), {(made["nodeid"], 1): ("tests/test_orders.py", 12)}) == [
        "::error file=tests/test_orders.py,line=12,title=test_orders under consumer_crash-after-ack-3::"
        "1 of 10 messages lost by `worker`, which acked at 0.069 s and was killed at 0.071 s before any effect; "
        "behind it: consumer_crash(after=ack(17)).%0Amend: acknowledge after the work%0Aagain: "
        "pytest 'tests/test_orders.py::test_orders[consumer_crash-after-ack-17]' --mqchaos-seed=4711"
    ]


def test_one_for_each_cause() -> None:
    """Scenarios that share a cause share an annotation, failures come before what is unknown, three are enough."""
    lost = found("lost", 1, cause="it never reconnects")
    runs = [
        run(UNKNOWN, scenario="dark", outcome="passed"),
        run(lost, scenario="drop"),
        run(lost, scenario="reset"),
        run(found("stalled", 1), scenario="stuck"),
    ]
    said = annotated(session(*runs), {})
    assert [line.partition("::")[0] + line.split("::")[1] for line in said] == [
        "error title=test_it under drop",
        "error title=test_it under stuck",
        "warning title=test_it under dark",
    ]
    assert len(annotated(session(*runs, run(found("corrupted", 1), scenario="more")), {})) == 3


def test_each_tells_of_its_own_cause() -> None:
    """Where a graver finding stands in the same run, an annotation has what goes with its mend."""
    lost = found("lost", 1, claim="lost by the consumer", mend="acknowledge after the work")
    late = found("late", 2, claim="worked on too late", mend="work faster")
    said = annotated(session(run(lost, late), run(lost, late, scenario="reset")), {})
    assert [line.split("::")[2].split("%0A")[:2] for line in said] == [
        ["1 of 200 messages lost by the consumer.", "mend: acknowledge after the work"],
        ["1 of 200 messages worked on too late.", "mend: work faster"],
    ]


@pytest.mark.parametrize(
    "made", [passing(), run(found("lost", 1), outcome="xfailed"), run(outcome="skipped")]
)
def test_nothing_to_tell(made: dict[str, Any]) -> None:
    """What is well, expected or skipped is no annotation."""
    assert annotated(session(made), {}) == []


@pytest.mark.parametrize("evil", [*INJECTIONS, "x\r\n::set-env name=A::b", "a,line=1::b", "100%0A::error::x"])
def test_hostile_text(evil: str) -> None:
    """A line stays one command: no line break, and in its properties no colon and no comma of others."""
    made = document_full_of(evil)
    places = {(run["nodeid"], run["attempt"]): (f"{evil}.py", 3) for run in made["runs"]}
    lines = annotated(made, places)
    assert lines
    for line in lines:
        assert line.isprintable()
        _, command, _ = line.split("::", 2)
        level, _, properties = command.partition(" ")
        assert level in ("error", "warning")
        assert [each.partition("=")[0] for each in properties.split(",")] == ["file", "line", "title"]
