"""The overview: what each run came to, the headline, the matrix, and scenarios that share a cause in one line."""

from __future__ import annotations

from typing import Any

import pytest
from account_builders import UNKNOWN, VACUOUS, account, found
from report_builders import failing, passing, session

from pytest_mqchaos.model.guarantees import guarantee
from pytest_mqchaos.report.document import run_record
from pytest_mqchaos.report.headings import heading
from pytest_mqchaos.report.overview import split_name
from pytest_mqchaos.report.states import ORDER, happened, state_of, worst_state


def record(
    *findings: Any, nodeid: str = "t.py::test_it", outcome: str = "passed", **fields: Any
) -> dict[str, Any]:
    """Return the record of a run with these findings."""
    of_account = {key: fields.pop(key) for key in ("allow", "poison") if key in fields}
    made = account(*findings, **of_account)
    return run_record(made, nodeid=nodeid, attempt=1, outcome=outcome, reproduce="pytest", **fields)


LOST = found("lost", 1, cause="consumer_crash(after=ack(17))", mend="acknowledge after the work")


@pytest.mark.parametrize(
    ("run", "state"),
    [
        (record(), "well"),
        (record(LOST, outcome="failed"), "failed"),
        (record(LOST, outcome="xfailed"), "expected"),
        (record(LOST, allow=(("lost", ""),)), "allowed"),
        (record(UNKNOWN), "unknown"),
        (record(UNKNOWN, allow=(("lost", ""),)), "allowed"),
        (record(VACUOUS, outcome="failed"), "failed"),
        (record(outcome="failed", error="assert 1 == 2"), "failed"),
        (record(outcome="error"), "failed"),
        (record(outcome="skipped", reason="no"), "skipped"),
        (record(outcome="xpassed"), "well"),
        (record(found("redelivered", 1, violation=False)), "well"),
    ],
)
def test_the_state_of_a_run(run: dict[str, Any], state: str) -> None:
    """Its outcome, its verdict and what it allows make one word."""
    assert state_of(run) == state
    assert state in ORDER


def test_the_worst_comes_first() -> None:
    """A rerun that passed does not hide the failure before it, and nothing at all was skipped."""
    assert worst_state(["well", "failed", "unknown"]) == "failed"
    assert worst_state([]) == "skipped"


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (record(), "200 messages published, 200 worked on."),
        (record(LOST), "1 of 200 messages lost in some way; behind it: consumer_crash(after=ack(17))."),
        (
            record(LOST, found("stalled", 2, 3)),
            "1 of 200 messages lost in some way; behind it: consumer_crash(after=ack(17)); and 1 finding more.",
        ),
        (record(found("late", 2), found("lost", 1), found("lost", 3, 4, claim="is gone")),
         "2 of 200 messages are gone; and 2 findings more."),
        (record(LOST, found("stalled", 2), allow=(("lost", ""),)), "1 of 200 messages stalled in some way."),
        (
            record(VACUOUS),
            "This run proves nothing: consumer_crash(after=ack(900)) never struck; behind it: there were 200 acks.",
        ),
        (record(found("lost", claim="the census failed", unknown=True)), "The census failed."),
        (record(found("poison_stuck", 201, claim="poison stuck: it comes back"), poison=2),
         "1 of 2 poison messages stuck: it comes back."),
        (record(found("stalled", count=900, claim="stalled: 900 ready")), "900 messages stalled: 900 ready."),
        (record(found("lost", 1, 2, claim="was acked, and gone")), "2 of 200 messages were acked, and gone."),
        (record(found("lost", 1, claim="is missing")), "1 of 200 messages is missing."),
        (record(outcome="failed", error="assert 1 == 2"), "The test failed by itself: assert 1 == 2"),
        (record(outcome="skipped", reason="no Docker"), "Skipped: no Docker"),
        (record(outcome="skipped"), "Skipped."),
        (record(outcome="error"), "The test failed by itself, or while it was torn down; no promise was broken."),
    ],
)  # fmt: skip
def test_what_happened_in_a_sentence(run: dict[str, Any], said: str) -> None:
    """How many messages, what became of them, and behind it the cause; what counts comes before what is allowed."""
    assert happened(run) == said


def test_without_an_account_there_is_no_verdict() -> None:
    """A run that could not be judged says why."""
    run = run_record(
        None, nodeid="t.py::t", attempt=1, outcome="error", reproduce="", error="there is no consumer"
    )

    assert happened(run) == "No verdict: there is no consumer"


@pytest.mark.parametrize(
    ("nodeid", "scenario", "split"),
    [
        ("a/t.py::test_it[refuse]", "refuse", ("a/t.py", "test_it")),
        ("a/t.py::TestX::test_it[refuse-1-b]", "refuse", ("a/t.py::TestX", "test_it[1-b]")),
        ("a/t.py::test_it", "baseline", ("a/t.py", "test_it")),
        ("a/t.py::test_it[x::y]", "baseline", ("a/t.py", "test_it[x::y]")),
        ("t.py::test_it[a[b]]", "a[b]", ("t.py", "test_it")),
    ],
)
def test_a_test_without_its_scenario(nodeid: str, scenario: str, split: tuple[str, str]) -> None:
    """The scenario stands first among the parameters; the others stay with the name."""
    assert split_name(nodeid, scenario) == split


def over(*runs: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return the overview of a session."""
    made: dict[str, Any] = session(*runs, **fields)["overview"]
    return made


@pytest.mark.parametrize(
    ("states", "headline"),
    [
        (["well"], "The chaos test kept its promise."),
        (["failed"], "The chaos test failed."),
        (["well", "well"], "2 chaos tests: all as promised."),
        (["failed", "well", "unknown"], "1 of 3 chaos tests failed, 1 could not be judged."),
        (["unknown", "well"], "1 of 2 chaos tests could not be judged."),
        (["expected", "well"], "No surprise: 1 of 2 chaos tests failed as expected."),
        (["allowed", "allowed", "well"], "2 of 3 chaos tests broke a promise, and are allowed to."),
        (["skipped", "skipped"], "2 chaos tests skipped."),
        (["skipped", "well", "well"], "2 chaos tests: all as promised."),
    ],
)
def test_the_headline(states: list[str], headline: str) -> None:
    """The verdict on a session is one sentence about the worst; what was skipped is not counted among the judged."""
    made = {
        "well": record(),
        "failed": record(LOST, outcome="failed"),
        "unknown": record(UNKNOWN),
        "expected": record(LOST, outcome="xfailed"),
        "allowed": record(LOST, allow=(("*", ""),)),
        "skipped": record(outcome="skipped", reason="no"),
    }

    assert over(*(made[state] for state in states))["headline"] == headline


def test_scenarios_that_share_a_cause_are_one() -> None:
    """The same finding for the same reason is told once, whatever fault brought it about."""
    runs = [
        record(
            found("stalled", *range(1, n), detail="not_reconnected", claim=f"stalled: {n} ready",
                  cause=f"worker never reconnected after {fault}", mend="connect again"),
            nodeid=f"t.py::test_it[{fault}]", scenario=fault, outcome="failed",
        )
        for n, fault in ((3, "consumer_crash(after=ack(17))"), (5, "refuse()"))
    ]  # fmt: skip
    for run, fault in zip(runs, ("consumer_crash(after=ack(17))", "refuse()"), strict=True):
        run["faults"] = [failing()["faults"][0] | {"description": fault}]
    (cause,) = over(*runs)["causes"]

    assert (cause["cause"], cause["claim"], cause["mend"]) == (
        "worker never reconnected",
        "",
        "connect again",
    )
    assert (cause["runs"], cause["messages"], cause["tests"]) == ([0, 1], 6, ["test_it"])
    assert cause["scenarios"] == ["consumer_crash(after=ack(17))", "refuse()"]


def test_causes_that_count_come_first() -> None:
    """What failed a test stands before what is unknown, expected and allowed, and the grave before the frequent."""
    causes = over(
        record(LOST, allow=(("lost", "known"),)),
        record(UNKNOWN),
        record(found("stalled", 1), outcome="failed"),
        record(found("late", 1), outcome="failed"),
        record(found("late", 2), outcome="failed", nodeid="t.py::test_other"),
        record(found("duplicated", 1), outcome="failed"),
        record(found("duplicated", 1, 2, detail="more"), outcome="failed"),
        record(outcome="failed", error="assert 1 == 2"),
        record(),
    )["causes"]

    assert [(each["kind"], each["state"], each["messages"]) for each in causes] == [
        ("duplicated", "failed", 2),
        ("duplicated", "failed", 1),
        ("stalled", "failed", 1),
        ("late", "failed", 2),
        ("error", "failed", 0),
        ("lost", "unknown", 1),
        ("lost", "allowed", 1),
    ]
    assert causes[4]["claim"] == "the test failed by itself: assert 1 == 2"


def test_the_matrix() -> None:
    """A row for each test, its baseline first, a cell for each scenario with its worst attempt."""
    made = over(
        passing(scenario="refuse"),
        passing(scenario="baseline"),
        failing(nodeid="tests/test_orders.py::test_orders[lost_ack]", scenario="lost_ack"),
        passing(scenario="lost_ack", attempt=2),
        skipped=[
            {"nodeid": "tests/test_orders.py::test_more[baseline]", "scenario": "baseline", "reason": "no"}
        ],
    )

    assert made["scenarios"] == ["baseline", "refuse", "lost_ack"]
    first, second = made["tests"]
    assert [(cell["scenario"], cell["state"], cell["run"], cell["attempts"]) for cell in first["cells"]] == [
        ("baseline", "well", 1, 1),
        ("refuse", "well", 0, 1),
        ("lost_ack", "failed", 2, 2),
    ]
    assert (second["test"], second["cells"][0]["state"], second["cells"][0]["reason"]) == (
        "test_more",
        "skipped",
        "no",
    )
    assert made["dense"]


def test_a_matrix_of_many_scenarios_is_not_dense() -> None:
    """A column each for scenarios that most tests do not have would be a table of holes."""
    runs = [passing(test=f"test_{n}", scenario=f"refuse-{n}") for n in range(6)]

    assert not over(*runs)["dense"]


def test_each_run_knows_its_baseline() -> None:
    """The baseline of the same test stands beside each of its runs, and of no other test's."""
    runs = session(
        passing(), failing(nodeid="tests/test_orders.py::test_orders[x]", scenario="x"),
        passing(test="test_other", scenario="x"),
    )["runs"]  # fmt: skip

    assert [run["baseline"] for run in runs] == [None, 0, None]


def test_the_worst_run_speaks_for_the_session() -> None:
    """What was promised and what happened there; of a session in which all is well, the sums."""
    bad = over(passing(), failing())
    good = over(passing(), passing(scenario="refuse"))

    assert (bad["first"], bad["guarantee"]) == (1, "at-least-once")
    assert bad["promise"].startswith("Every good message is worked on")
    assert bad["happened"].startswith("1 of 10 messages lost by `worker`, which acked at ")
    assert good["happened"] == "20 messages published, 4 faults struck, every message accounted for."
    assert over()["first"] is None


def test_the_gravest_run_speaks_for_the_session() -> None:
    """Of several that failed the one with the first cause is told at the head, wherever it stands."""
    made = over(
        record(found("late", 1), outcome="failed"), record(found("lost", 1), outcome="failed"), passing()
    )

    assert (made["first"], made["happened"]) == (1, "1 of 200 messages lost in some way.")


def test_a_good_session_names_all_that_was_promised() -> None:
    """Where all is well, no single run's promise stands for the others'."""
    made = over(passing(), dict(passing(scenario="refuse"), guarantee="exactly-once", promise="Once."))

    assert (made["guarantee"], made["promise"]) == ("at-least-once, exactly-once", "")
    none = run_record(
        None, nodeid="t.py::t", attempt=1, outcome="skipped", reproduce="", promised=guarantee("at-most-once")
    )
    made = over(passing(), none)
    assert made["guarantee"] == "at-least-once", "what was skipped was promised, and not kept"


def test_a_mistake_of_all_replicas_is_one_cause() -> None:
    """Replicas of one consumer and what each had in hand make no causes of their own; they are named in the one."""
    late = [
        found("late", n, detail="in_hand", claim="came late", cause=f"{who} had it in hand for most of that")
        for n, who in enumerate(("worker#2", "worker"), 1)
    ]
    breach = [
        found("prefetch_breach", n, detail="above", claim=f"came to {who} when it had 5 or more in hand already",
              cause=f"{who} subscribed to `orders` with a prefetch of 8, and had {n} in hand")
        for n, who in ((8, "worker"), (6, "worker#2"))
    ]  # fmt: skip
    run = record(*late, *breach, outcome="failed")
    run["consumers"] = failing()["consumers"]
    made = session(run)

    assert [(each["cause"], each["messages"]) for each in made["overview"]["causes"]] == [
        ("each of worker and worker#2 had it in hand for most of that", 2),
        (
            "each of worker and worker#2 subscribed to `orders` with a prefetch of 8, and had 6 to 8 in hand",
            2,
        ),
    ]
    assert [heading(each, made["runs"]) for each in made["overview"]["causes"]] == [
        "Worked on 2 messages late: each: one of worker and worker#2 had it in hand for most of that",
        "Handed out 2 messages beyond the prefetch: each of worker and worker#2 subscribed to `orders` with a prefetch "
        "of 8, and had 6 to 8 in hand",
    ]


def test_a_claim_of_replicas_without_a_cause_is_one() -> None:
    """Where the claim tells a cause, the claims of all replicas are one as well, and the heading finds its hazards."""
    claims = [f"unacknowledged: {who} did nothing" for who in ("worker", "worker#2")]
    run = record(
        *(found("unacknowledged", n, claim=claim) for n, claim in enumerate(claims, 1)), outcome="failed"
    )
    run["consumers"] = failing()["consumers"]
    made = session(run)
    (cause,) = made["overview"]["causes"]

    assert cause["claim"] == "unacknowledged: each of worker and worker#2 did nothing"
    assert (
        heading(cause, made["runs"])
        == "Left 2 messages unacknowledged: each of worker and worker#2 did nothing"
    )


def test_the_gravest_run_of_a_cause_comes_first() -> None:
    """A reader of a cause begins with a run that failed, whatever ran before it."""
    runs = [
        record(LOST, allow=(("lost", "known"),)),
        record(LOST, outcome="xfailed", nodeid="t.py::test_x"),
        record(LOST, outcome="failed", nodeid="t.py::test_y"),
    ]
    (cause,) = over(*runs)["causes"]

    assert (cause["state"], cause["runs"], cause["tests"][0]) == ("failed", [2, 1, 0], "test_y")


@pytest.mark.parametrize(
    ("counts", "spoilt", "said"),
    [
        ({}, 0, "100 messages published, 100 worked on."),
        ({"effected": 96, "confirmed": 95}, 0,
         "100 messages published, 96 worked on; of the 5 that the broker never confirmed nothing is promised."),
        ({"effected": 99, "confirmed": 99}, 0,
         "100 messages published, 99 worked on; of the one that the broker never confirmed nothing is promised."),
        ({"effected": 100, "confirmed": 95}, 0, "100 messages published, 100 worked on."),
        ({"effected": 90, "dead_lettered": 10}, 0, "100 messages published, 90 worked on; 10 dead-lettered."),
        ({"effected": 95, "poison": 10, "dead_lettered": 5}, 5,
         "90 good messages published, all worked on; 10 poison ones: 5 worked on, 5 dead-lettered."),
        ({"effected": 99, "poison": 1, "dead_lettered": 1}, 0,
         "99 good messages published, all worked on; 1 poison one: 1 dead-lettered."),
        ({"effected": 92, "poison": 10}, 2,
         "90 good messages published, all worked on; 10 poison ones: 2 worked on, 8 not."),
        ({"effected": 90, "poison": 10}, 0,
         "90 good messages published, all worked on; 10 poison ones: none worked on."),
        ({"effected": 88, "confirmed": 98, "poison": 10, "dead_lettered": 9}, 0,
         "90 good messages published, 88 worked on; of the 2 that the broker never confirmed nothing is promised; "
         "10 poison ones: none worked on."),
        ({"effected": 97, "poison": 10}, 0, "100 messages published, 97 worked on."),
    ],
)  # fmt: skip
def test_what_is_missing_of_a_good_run_is_named(counts: dict[str, int], spoilt: int, said: str) -> None:
    """Good messages and poison stand apart, and what was not worked on does not read as a loss."""
    run = record(found("poison_effected", count=spoilt, violation=False)) if spoilt else record()
    none = dict.fromkeys(run["counts"], 0)
    run["counts"] = none | {"published": 100, "confirmed": 100, "effected": 100} | counts

    assert happened(run) == said
