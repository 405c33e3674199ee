"""What became better or worse: these two documents, exactly these differences."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from account_builders import UNKNOWN, VACUOUS, account, found
from report_builders import failing, judged, session

from pytest_mqchaos.model.findings import Hazard
from pytest_mqchaos.report.diff import Change, diff
from pytest_mqchaos.report.document import run_record
from pytest_mqchaos.report.figures.markov import wilson

NAME = "t.py::test_it[x]"
LOST = found("lost", 1, detail="by_consumer")


def run(*findings: Any, name: str = NAME, outcome: str = "", **fields: Any) -> dict[str, Any]:
    """Return the record of a run with these findings; it failed where its account fails it."""
    allow = fields.pop("allow", ())
    made = account(*findings, allow=allow)
    outcome = outcome or ("failed" if made.failed else "passed")
    return run_record(
        made, nodeid=name, attempt=fields.pop("attempt", 1), outcome=outcome, reproduce="", **fields
    )


def differences(old: Any, new: Any) -> list[tuple[str, str, str]]:
    """Return the changes between the documents of some runs each, as they are printed."""
    one, other = session(*old), session(*new)
    return [(each.sort, each.about, each.text) for each in diff(one, other).changes]


def test_nothing_differs() -> None:
    """A document is no regression of itself."""
    whole = session(failing(), run(LOST), run(name="t.py::other"))
    found_none = diff(whole, copy.deepcopy(whole))
    assert (found_none.changes, found_none.regression, found_none.both) == ((), False, 3)


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        (run(), run(LOST), [
            ("worse", "was as promised, now failed"),
            ("worse", "new lost:by_consumer, 1 of 200 messages"),
        ]),
        (run(LOST), run(), [
            ("better", "was failed, now as promised"),
            ("better", "gone lost:by_consumer"),
        ]),
        (run(LOST), run(LOST, found("stalled", 2, 3)), [("worse", "new stalled, 2 of 200 messages")]),
        (run(LOST), run(found("lost", 1, 2, 3, detail="by_consumer")), [
            ("changed", "lost:by_consumer, 3 of 200 messages; was 1 message"),
        ]),
        (run(LOST), run(found("lost", 1, detail="by_broker")), [
            ("worse", "new lost:by_broker, 1 of 200 messages"),
            ("better", "gone lost:by_consumer"),
        ]),
        (run(), run(UNKNOWN), [
            ("worse", "was as promised, now unknown"),
            ("worse", "new lost (cannot be judged), 1 of 200 messages"),
        ]),
        (run(UNKNOWN), run(LOST), [
            ("worse", "was unknown, now failed"),
            ("worse", "new lost:by_consumer, 1 of 200 messages"),
            ("better", "gone lost (cannot be judged)"),
        ]),
        (run(), run(VACUOUS), [("worse", "was as promised, now failed"), ("worse", "new vacuous")]),
        (run(), run(LOST, allow=(("lost", "known"),)), [
            ("changed", "was as promised, now broken, allowed"),
            ("changed", "new lost:by_consumer, 1 of 200 messages (allowed)"),
        ]),
        (run(LOST, allow=(("lost", ""),)), run(LOST), [
            ("worse", "was broken, allowed, now failed"),
            ("worse", "no longer allowed: lost:by_consumer, 1 of 200 messages"),
        ]),
        (run(), run(LOST, outcome="xfailed"), [
            ("changed", "was as promised, now failed as expected"),
            ("changed", "new lost:by_consumer, 1 of 200 messages"),
        ]),
        (run(), run(outcome="failed", error="assert 1 == 2"), [("worse", "was as promised, now failed")]),
        (run(), run(replace(LOST, violation=False)), []),
    ],
)  # fmt: skip
def test_a_test_differs(old: dict[str, Any], new: dict[str, Any], changes: list[tuple[str, str]]) -> None:
    """States, findings, allowances: what is worse and not allowed is a regression, and only that."""
    assert differences([old], [new]) == [(sort, NAME, text) for sort, text in changes]
    worse = any(sort == "worse" for sort, _ in changes)
    assert diff(session(old), session(new)).regression is worse


def test_a_rerun_hides_nothing() -> None:
    """A loss that a rerun did not repeat is a loss."""
    assert differences([run()], [run(LOST), run(attempt=2)])[0] == (
        "worse",
        NAME,
        "was as promised, now failed",
    )


def test_tests_that_only_one_has() -> None:
    """One that came and fails is worse: who is compared brought it; one that passes, or went, is only told."""
    skipped = run_record(None, nodeid=NAME, attempt=1, outcome="skipped", reproduce="", reason="no")
    made = diff(session(run()), session(skipped, run(LOST, name="t.py::new")))
    assert made.changes == (
        Change("worse", "t.py::new", "not run before, and failed: 1 of 200 messages lost in some way."),
        Change("changed", NAME, "skipped: no; was as promised"),
    )
    assert (made.regression, made.both, made.only_old, made.only_new) == (True, 0, 1, 1)
    made = diff(session(run()), session(run(name="t.py::new")))
    assert made.changes == (
        Change("changed", NAME, "no longer run; was as promised"),
        Change("changed", "t.py::new", "not run before; is as promised"),
    )
    assert not made.regression
    for tame in (
        run(LOST, name="t.py::new", outcome="xfailed"),
        run(LOST, name="t.py::new", allow=(("lost", ""),)),
    ):
        assert not diff(session(run()), session(run(), tame)).regression
    unknown = diff(session(run()), session(run(), run(UNKNOWN, name="t.py::new")))
    assert (unknown.regression, unknown.changes[0].text[:31]) == (True, "not run before, and unknown: 1 ")


def test_no_verdict_is_no_mend() -> None:
    """Where the new run came to no verdict, what the old one found is not gone, and that there is none is worse."""
    broken = run_record(None, nodeid=NAME, attempt=1, outcome="error", reproduce="", error="no broker")
    hazardous = run_record(
        judged(LOST, hazards=[Hazard(kind="auto_ack", claim="x", consumer="worker")]),
        nodeid=NAME, attempt=1, outcome="failed", reproduce="",
    )  # fmt: skip
    assert differences([hazardous], [broken]) == [("worse", NAME, "no verdict: no broker")]
    assert differences([run()], [broken]) == [
        ("worse", NAME, "was as promised, now failed"),
        ("worse", NAME, "no verdict: no broker"),
    ]
    expected = {**broken, "outcome": "xfailed"}
    assert [sort for sort, *_ in differences([run()], [expected])] == ["changed", "changed"]
    assert differences([broken], [broken]) == []


def test_nothing_ran_any_more() -> None:
    """A new document in which every test was skipped, or that has none, proves nothing: it is worse."""
    reason = "no server: Docker does not answer"
    before_it_began = session(skipped=[{"nodeid": NAME, "scenario": "x", "reason": reason}])
    inside = session(run_record(None, nodeid=NAME, attempt=1, outcome="skipped", reproduce="", reason=reason))
    for new in (before_it_began, inside):
        made = diff(session(run(LOST)), new)
        assert made.changes == (
            Change("worse", "all tests", "1 test ran, now no test did: 1 test skipped"),
            Change("changed", NAME, f"skipped: {reason}; was failed"),
        )
        assert made.regression
        assert not diff(new, new).regression
    assert diff(session(run()), session()).changes[0].text == "1 test ran, now no test did: none is in it"


def test_hazards_are_told() -> None:
    """A hazard that was not seen may still be there, so neither way is judged."""
    early = run_record(
        judged(hazards=[Hazard(kind="auto_ack", claim="x", consumer="worker")]),
        nodeid=NAME, attempt=1, outcome="passed", reproduce="",
    )  # fmt: skip
    calm = run_record(judged(), nodeid=NAME, attempt=1, outcome="passed", reproduce="")
    assert differences([calm], [early]) == [("changed", NAME, "new hazard auto_ack of worker")]
    assert differences([early], [calm]) == [("changed", NAME, "hazard auto_ack of worker not seen")]


def paced(seconds: float, recovery: float | None = None) -> dict[str, Any]:
    """Return a run whose messages all took so long, and whose faults needed `recovery`."""
    made = run_record(judged(), nodeid=NAME, attempt=1, outcome="passed", reproduce="")
    low, high = (0.0, 0.001) if seconds <= 0.001 else (0.01, 0.02) if seconds <= 0.02 else (0.1, 0.2)
    bar = {"from": low, "until": high, "inside": 0, "outside": 200}
    outside = {"messages": 200, **dict.fromkeys(("p50", "p95", "p99", "max"), seconds)}
    made["latency"] = {**made["latency"], "outside": outside, "distribution": [bar]}
    for each in made["faults"]:
        each["recovery"] = recovery
    return made


def test_latency() -> None:
    """Two hundred messages twenty times as slow are a regression, and the other way round an improvement."""
    text = "p50 from publish to effect {}, now {}"
    assert differences([paced(0.001)], [paced(0.02)]) == [("worse", NAME, text.format("1.0 ms", "20 ms"))]
    assert differences([paced(0.02)], [paced(0.001)]) == [("better", NAME, text.format("20 ms", "1.0 ms"))]
    other = paced(0.02)
    other["latency"]["until"] = "ack"
    assert differences([paced(0.001)], [other]) == [], "the way to an ack is another"


def test_latency_within_a_bar() -> None:
    """Of many messages the percentiles themselves are compared: a bar hides no factor of five, and few tell nothing."""

    def many(seconds: float, low: float, high: float, count: int) -> dict[str, Any]:
        made = paced(seconds)
        made["latency"]["outside"]["messages"] = count
        made["latency"]["distribution"] = [{"from": low, "until": high, "inside": 0, "outside": count}]
        return made

    before, after = (0.00101, 0.001, 0.002), (0.00499, 0.002, 0.005)
    assert differences([many(*before, 100_000)], [many(*after, 100_000)]) == [
        ("worse", NAME, "p50 from publish to effect 1.0 ms, now 5.0 ms")
    ]
    assert differences([many(*before, 200)], [many(*after, 200)]) == []
    assert differences([many(*before, 100_000)], [many(0.00199, 0.001, 0.002, 100_000)]) == []
    modes = many(*after, 100_000)
    modes["latency"]["distribution"] = [
        {"from": 0.001, "until": 0.002, "inside": 0, "outside": 49_990},
        {"from": 0.002, "until": 0.005, "inside": 0, "outside": 50_010},
    ]
    modes["latency"]["outside"]["p95"] = 0.0021
    assert differences([many(0.002, 0.001, 0.002, 100_000)], [modes]) == [], (
        "the median stands between two modes"
    )


def test_recovery_that_never_came() -> None:
    """Work that never went on after a fault is worse where the run failed; where all was done none was left to do."""
    old, new = paced(0.001, 0.2), paced(0.001)
    text = "work went on after 200 ms, now never (after 1 fault)"
    crash, refuse = (each["kind"] for each in old["faults"])
    broken = {**new, "outcome": "failed", "failed": True}

    def told(made: dict[str, Any]) -> list[tuple[str, str, str]]:
        return [each for each in differences([old], [made]) if each[1] != NAME]

    assert told(broken) == [("worse", crash, text), ("worse", refuse, text)]
    assert told({**new, "counts": {**new["counts"], "effected": 1}}) == []
    assert told({**broken, "counts": {**new["counts"], "effected": 10}}) == []
    assert told({**broken, "faults": [{**fault, "fired": False} for fault in new["faults"]]}) == []


def test_recovery() -> None:
    """Recovery is compared by kind of fault; a fault after which no work was left tells nothing."""
    told = "work went on after 200 ms, now 30.00 s (mean of 1 fault)"
    assert differences([paced(0.02, 0.2)], [paced(0.02, 30.0)]) == [
        ("worse", "consumer_crash", told),
        ("worse", "refuse", told),
    ]
    assert differences([paced(0.02, 0.2)], [paced(0.02, 2.0)]) == []
    assert differences([paced(0.02, 0.2)], [paced(0.02)]) == []
    assert [each[0] for each in differences([paced(0.02, 30.0)], [paced(0.02, 0.2)])] == ["better", "better"]


def _chain(requeued: int, of: int) -> dict[str, Any]:
    """Return the chain of messages of which some came back once."""
    counts = {
        ("ready", "in_flight"): (of - requeued, of - requeued),
        ("in_flight", "acknowledged"): (of - requeued, of),
    }
    if requeued:
        counts |= {("in_flight", "requeued"): (requeued, of), ("requeued", "in_flight"): (requeued, requeued)}
    steps = []
    for (origin, target), (count, left) in counts.items():
        low, high = wilson(count, left)
        steps.append(
            {"from": origin, "to": target, "count": count, "of": left, "probability": count / left, "low": low,
             "high": high}
        )  # fmt: skip
    return {"messages": of - requeued, "steps": steps, "deliveries": 1.0, "ends": {}}


@pytest.mark.parametrize(
    ("before", "after", "struck", "sorts"),
    [
        ((0, 200), (2, 202), False, []),
        ((0, 200), (20, 220), False, ["worse", "worse"]),
        ((20, 220), (0, 200), False, ["better", "better"]),
        ((0, 200), (20, 220), True, ["changed", "changed"]),
        ((1, 5), (3, 7), False, []),
    ],
)
def test_chances(before: Any, after: Any, struck: bool, sorts: list[str]) -> None:
    """A step that became likelier beyond noise is worse or better; where a fault struck it is told only."""
    old, new = (session(run()) for _ in range(2))
    for whole, counts in ((old, before), (new, after)):
        whole["runs"][0]["lifecycle"] = _chain(*counts)
        whole["runs"][0]["faults"] = [{"kind": "refuse", "fired": True, "recovery": None}] if struck else []
    found_changes = diff(old, new).changes
    assert [each.sort for each in found_changes] == sorts
    if sorts:
        text = {each.text.partition(" with ")[0] for each in found_changes}
        assert text == {"from in flight to requeued", "from in flight to acknowledged"}
