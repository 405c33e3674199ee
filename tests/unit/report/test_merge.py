"""Documents joined: the parts are equal to the whole, and nothing that one of them says is hidden."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import Any

import jsonschema
from hypothesis import given
from hypothesis import strategies as st
from report_builders import STARTED, failing, judged, passing, session
from test_html import read

from pytest_mqchaos.model.findings import Hazard
from pytest_mqchaos.report.diff import diff
from pytest_mqchaos.report.document import document, run_record, schema
from pytest_mqchaos.report.html import page
from pytest_mqchaos.report.junit import junit
from pytest_mqchaos.report.machines import labels
from pytest_mqchaos.report.markdown import markdown
from pytest_mqchaos.report.merge import merge
from pytest_mqchaos.report.terminal import summary_lines

CRASH = "consumer_crash-after-ack-3"


def hazardous(scenario: str, *, confirmed: bool) -> dict[str, Any]:
    """Return the record of a run that shows, or proves, an early ack."""
    hazard = Hazard(
        kind="acked_before_effect", claim="acks early", consumer="worker", count=1, confirmed=confirmed
    )
    nodeid = f"tests/test_orders.py::test_orders[{scenario}]"
    known: dict[str, Any] = {"nodeid": nodeid, "attempt": 1, "outcome": "passed", "reproduce": "pytest"}
    return run_record(judged(hazards=[hazard]), scenario=scenario, **known)


RUNS = [
    passing(),
    failing(),
    failing(attempt=2),
    passing("test_other", "refuse"),
    passing("test_other"),
    hazardous("drop", confirmed=True),
]
SKIPPED = [
    {"nodeid": f"tests/test_orders.py::test_orders[{name}]", "scenario": name, "reason": "no"}
    for name in ("restart", "refuse")
]


def as_read(made: Any) -> Any:
    """Return a document as a file gives it back."""
    return json.loads(json.dumps(made))


def stripped(runs: list[dict[str, Any]]) -> list[str]:
    """Return runs as texts, without the index of their baseline, which depends on their order."""
    return sorted(json.dumps({**run, "baseline": None}, sort_keys=True) for run in runs)


@given(cuts=st.sets(st.integers(0, len(RUNS))), skips=st.integers(0, len(SKIPPED)))
def test_parts_equal_the_whole(cuts: set[int], skips: int) -> None:
    """Wherever a document is cut into parts, and the skipped with it, these joined are the same document."""
    edges = [0, *sorted(cuts), len(RUNS)]
    parts = [session(*RUNS[a:b]) for a, b in pairwise(edges)]
    parts[0] = session(*RUNS[: edges[1]], skipped=SKIPPED[:skips])
    parts.append(session(skipped=SKIPPED[skips:]))
    whole = session(*RUNS, skipped=SKIPPED)
    assert merge([as_read(each) for each in parts]) == as_read(whole)
    assert json.dumps(merge(parts)) == json.dumps(whole), "also in its order"


@given(order=st.permutations(RUNS), cut=st.integers(0, len(RUNS)))
def test_in_any_order(order: list[dict[str, Any]], cut: int) -> None:
    """However xdist spreads the runs, the same runs come to the same states, causes and baselines."""
    made, whole = merge([session(*order[:cut]), session(*order[cut:])]), session(*RUNS)
    assert stripped(made["runs"]) == stripped(whole["runs"])
    for name in ("state", "states", "messages", "strikes", "headline", "dense"):
        assert made["overview"][name] == whole["overview"][name]
    assert {each["kind"]: len(each["runs"]) for each in made["overview"]["causes"]} == {
        each["kind"]: len(each["runs"]) for each in whole["overview"]["causes"]
    }
    for run in made["runs"]:
        if run["scenario"] == "baseline":
            assert run["baseline"] is None
        else:
            beside = made["runs"][run["baseline"]]
            assert (beside["test"], beside["scenario"]) == (run["test"], "baseline")


def test_again_changes_nothing() -> None:
    """A document given twice counts once, and what was merged before may be given again beside its parts."""
    one, other = session(RUNS[0]), session(RUNS[1])
    both = merge([one, other])
    assert merge([one, one]) == merge([one])
    assert merge([both, other, one]) == both


def test_a_hazard_is_proved_by_another_shard() -> None:
    """The clean run of one shard shows the hazard, the fault of another proves it: one line says both."""
    made = merge(
        [
            session(hazardous("baseline", confirmed=False)),
            session(hazardous("drop", confirmed=True)),
        ]
    )
    said = [text for text, _ in summary_lines(made["runs"], None, 400)]
    assert "hazard in test_orders[baseline]: acks early (worker), proved by test_orders[drop]" in said


def test_two_machines_tell_of_one_test() -> None:
    """The same test and attempt told differently is two attempts: a failure on one machine is not hidden."""
    failed, passed = failing(), failing(outcome="passed")
    made = merge([session(failed), session(passed)])
    assert [(run["attempt"], run["outcome"]) for run in made["runs"]] == [(1, "failed"), (2, "passed")]
    (cell,) = made["overview"]["tests"][0]["cells"]
    assert (cell["attempts"], cell["state"]) == (2, "failed")
    assert merge([made, session(passed)]) == made
    jsonschema.validate(made, schema())


def on(version: str, python: str, *runs: dict[str, Any]) -> dict[str, Any]:
    """Return the document of one machine of a matrix."""
    servers = {
        "broker": "rabbitmq",
        "version": version,
        "kind": "docker",
        "description": f"RabbitMQ {version} (docker 1)",
    }
    return session(*runs, servers=servers, environment={"python": python})


def test_the_machines_of_a_matrix() -> None:
    """Each machine keeps its own attempts and baselines, whatever the order, and is named on page and in Markdown."""
    slow, quick = passing(), {**passing(), "seed": 9}
    docs = [
        on("3.10.8", "CPython 3.11", slow, failing()),
        on("4.0.5", "CPython 3.11", quick, {**failing(), "seed": 9}),
    ]
    for order in (docs, docs[::-1]):
        made = merge(order)
        assert [(run["attempt"], run["attempts"]) for run in made["runs"]] == [(1, 1)] * 4
        for run in made["runs"]:
            if run["baseline"] is not None:
                assert made["runs"][run["baseline"]]["server"] == run["server"]
        assert [run["baseline"] for run in made["runs"]] == [None, 0, None, 2]
        assert [cell["attempts"] for row in made["overview"]["tests"] for cell in row["cells"]] == [1, 1]
        assert merge([made, *order]) == made
        jsonschema.validate(made, schema())
        shown = read(page(made)).text
        for version in ("3.10.8", "4.0.5"):
            assert f"on rabbitmq {version} (docker)" in shown
            assert f"RabbitMQ {version} (docker 1)" in shown
        assert f"on {made['runs'][1]['server']}" in markdown(made)
        server = f"on {made['runs'][1]['server']}"
        assert (
            server in markdown(made).partition("### Tests")[0],
            server in shown.partition("Tests and scenarios")[2],
        ) == (True, True)
        assert ET.fromstring(junit(made).encode())[0].get("name", "").endswith(made["runs"][0]["server"])
    assert "on rabbitmq" not in page(docs[0]), "one machine needs no name"


def test_only_what_differs_tells_machines_apart() -> None:
    """Values of an environment have their names, and those that all machines share are left out."""
    systems = [
        {"python": f"CPython {python}", "pytest": "9.2.0", "system": "Linux"} for python in ("3.11", "3.12")
    ]
    made = merge([session(failing(seed=n), environment=each) for n, each in enumerate(systems)])
    assert [labels(made["runs"])(run) for run in made["runs"]] == [
        "python CPython 3.11",
        "python CPython 3.12",
    ]
    causes = markdown(made).partition("### Tests")[0], page(made).partition('id="matrix"')[0]
    for text in causes:
        assert text.count("on python CPython 3.11") == text.count("on python CPython 3.12") == 1
        assert "9.2.0" not in text


def test_a_baseline_of_another_machine() -> None:
    """A shard may have its baseline from another environment, but none from another server."""
    chaos, calm = failing(), passing()
    shards = merge([on("4.0.5", "CPython 3.11", calm), on("4.0.5", "CPython 3.12", chaos)])
    assert [run["baseline"] for run in shards["runs"]] == [None, 0]
    apart = merge([on("3.10.8", "CPython 3.11", calm), on("4.0.5", "CPython 3.11", chaos)])
    assert [run["baseline"] for run in apart["runs"]] == [None, None]


def test_a_matrix_is_compared_machine_by_machine() -> None:
    """What is broken on one machine of a matrix is gone only where it is gone on that machine."""
    old = merge(
        [on("3.10.8", "CPython 3.11", failing()), on("4.0.5", "CPython 3.11", passing(scenario=CRASH))]
    )
    new = merge(
        [on("3.10.8", "CPython 3.11", passing(scenario=CRASH)), on("4.0.5", "CPython 3.11", failing())]
    )
    assert {each.about.partition(" on ")[2] for each in diff(old, new).changes if each.sort == "worse"} == {
        "rabbitmq 4.0.5 (docker)"
    }
    assert diff(old, old).changes == ()


def test_several_servers_and_systems() -> None:
    """Servers, Pythons and settings that differ are all told, however the documents were grouped."""
    docs = [
        session(
            RUNS[n],
            servers={"version": f"4.{n}", "description": f"RabbitMQ 4.{n}"},
            environment={"python": f"CPython 3.1{n}"},
            settings=[{"name": "strict", "value": bool(n), "origin": "ini"}],
        )
        for n in range(3)
    ]
    made = merge(docs)
    assert made["servers"]["version"] == "4.0"
    assert [each["version"] for each in made["servers"]["workers"].values()] == ["4.0", "4.1", "4.2"]
    assert made["environment"]["python"] == "CPython 3.10, CPython 3.11, CPython 3.12"
    assert [each["value"] for each in made["settings"]] == [False, True]
    assert merge([merge(docs[:2]), docs[2]]) == made == merge([docs[0], merge(docs[1:])])


def test_its_time_is_that_of_all() -> None:
    """It began with the first and ended with the last, whatever the time zones; a cut part has no end."""
    one = document([RUNS[0]], {}, "0.1.0", "2026-07-01T12:00:00+02:00", finished="2026-07-01T12:30:00+02:00")
    other = document([RUNS[1]], {}, "0.2.0", "2026-07-01T11:00:00+00:00")
    made = merge([other, one])
    assert (made["started"], made["finished"]) == ("2026-07-01T12:00:00+02:00", "2026-07-01T12:30:00+02:00")
    assert made["plugin"] == "0.2.0, 0.1.0"
    odd = document([], {}, "0.1.0", "some time")
    assert merge([odd, session()])["started"] == STARTED
