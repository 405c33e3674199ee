"""JUnit XML: a suite a run, a case a check; nothing but what the schemas of Ant and of Jenkins share."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import pytest
from account_builders import UNKNOWN, VACUOUS, account, found
from hostile import INJECTIONS, document_full_of
from report_builders import failing, passing, session

from pytest_mqchaos.model.findings import FINDING_KINDS
from pytest_mqchaos.report.document import run_record
from pytest_mqchaos.report.junit import junit, properties

SUITE = {
    "id": r"\d+", "name": ".+", "package": ".*", "hostname": "localhost", "tests": r"\d+", "failures": r"\d+",
    "errors": r"\d+", "skipped": r"\d+", "time": r"\d+\.\d{3}", "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d",
}  # fmt: skip
CASE = {"name": ".+", "classname": ".+", "time": r"\d+\.\d{3}"}
FAILED = {"type": ".+", "message": ".+"}
CHILDREN = {"failure": FAILED, "error": FAILED, "skipped": {"message": ".+"}}
NOT_LOOKED_AT = ("not promised", "no canary")


def check(element: ET.Element, attributes: dict[str, str]) -> None:
    """Check that an element has these attributes and no others."""
    assert set(element.keys()) == set(attributes)
    for name, pattern in attributes.items():
        assert re.fullmatch(pattern, element.get(name, "")), (element.tag, name, element.get(name))


def read(text: str) -> ET.Element:
    """Return JUnit XML as read, and as both schemas want it."""
    root = ET.fromstring(text)
    assert (root.tag, {each.tag for each in root}) == ("testsuites", {"testsuite"})
    assert [each.get("id") for each in root] == [str(n) for n in range(len(root))]
    for suite in root:
        check(suite, SUITE)
        tags = [each.tag for each in suite]
        assert tags == ["properties", *["testcase"] * (len(suite) - 3), "system-out", "system-err"]
        for told in suite.iter("property"):
            check(told, {"name": "mqchaos_[a-z]+", "value": "(?s).*"})
        for case in suite.iter("testcase"):
            check(case, CASE)
            assert len(case) <= 1
            for inner in case:
                check(inner, CHILDREN[inner.tag])
        found_tags = [each.tag for each in suite.iter()]
        assert suite.get("tests") == str(found_tags.count("testcase"))
        assert suite.get("failures") == str(found_tags.count("failure"))
        assert suite.get("errors") == str(found_tags.count("error"))
        assert suite.get("skipped") == str(found_tags.count("skipped"))
    return root


def run(*findings: Any, outcome: str = "passed", **fields: Any) -> dict[str, Any]:
    """Return the record of a run with these findings."""
    of_account = {key: fields.pop(key) for key in ("allow",) if key in fields}
    known: dict[str, Any] = {"nodeid": "a/t.py::test_it[x]", "attempt": 1, "reproduce": "pytest a"}
    return run_record(account(*findings, **of_account), outcome=outcome, **(known | fields))


def cases(*runs: dict[str, Any], **fields: Any) -> dict[str, tuple[str, str]]:
    """Return what did not go well: cases by name, each with its tag and message; of what was looked at."""
    root = read(junit(session(*runs, **fields)))
    return {
        case.get("name", ""): (case[0].tag, case[0].get("message", ""))
        for case in root.iter("testcase")
        if len(case) and case[0].get("message") not in NOT_LOOKED_AT
    }


def not_looked_at(made: dict[str, Any]) -> dict[str, str]:
    """Return the checks of a run that had nothing to judge, each with why."""
    found = {case.get("name", ""): case for case in read(junit(session(made))).iter("testcase")}
    said = {name: case[0].get("message", "") for name, case in found.items() if len(case)}
    return {name: why for name, why in said.items() if why in NOT_LOOKED_AT}


def test_what_nobody_looked_at_did_not_pass() -> None:
    """A check of a promise that was not made is skipped, and passes where the promise was made and kept."""
    kinds = ["reordered", "late", "prefetch_breach", "failover_miss", "retry_schedule"]
    nothing = not_looked_at(run())
    assert nothing == {**dict.fromkeys(kinds, "not promised"), "blind": "no canary"}
    assert not_looked_at({**run(), "canary": True}) == dict.fromkeys(kinds, "not promised")
    words = ("ordered('customer')", "within(2)", "prefetch(5)", "failover(1)", "retry(fixed(0.2))")
    for kind, word in zip(kinds, words, strict=True):
        promised = {**run(), "guarantee": f"at-least-once + {word}"}
        assert kind not in not_looked_at(promised)
        assert len(not_looked_at(promised)) == len(nothing) - 1


def test_a_case_for_each_check_and_run() -> None:
    """Every kind of finding is a case of every run that was judged, named as the run."""
    (first, second) = read(junit(session(passing(), failing(attempt=2))))
    for suite in (first, second):
        assert [case.get("name") for case in suite.iter("testcase")] == list(FINDING_KINDS)
    assert {case.get("classname") for case in second.iter("testcase")} == {
        "tests.test_orders.test_orders[consumer_crash-after-ack-3] (attempt 2)"
    }
    assert (first.get("failures"), second.get("failures"), second.get("package")) == (
        "0",
        "1",
        "tests.test_orders",
    )


LOST_BY = "lost by `worker`, which acked at 0.069 s and was killed at 0.071 s before any effect"


def test_a_failure_says_all() -> None:
    """Claim, messages, cause, mend, how to allow it and how to repeat it stand in the failure."""
    (suite,) = read(junit(session(failing())))
    (failure,) = suite.iter("failure")
    assert (failure.get("type"), failure.get("message")) == (
        "lost:by_consumer",
        f"1 of 10 messages {LOST_BY}",
    )
    assert (failure.text or "").splitlines() == [
        f"lost:by_consumer: 1 of 10 messages {LOST_BY}",
        "messages: orders-k3f9-000003",
        "cause: consumer_crash(after=ack(17))",
        "mend: acknowledge after the work",
        'to allow just this: allow=("lost:by_consumer",)',
        "again: pytest 'tests/test_orders.py::test_orders[consumer_crash-after-ack-17]' --mqchaos-seed=4711",
    ]
    assert (suite.findtext("system-out") or "").splitlines() == [
        "information: redelivered: 1 of 10 messages redelivered in some way",
        "hazard: acked_before_effect: acks early",
    ]


LOST = found("lost", 1)
SAID = "1 of 200 messages lost in some way"


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (run(), {}),
        (run(LOST, outcome="failed"), {"lost": ("failure", SAID)}),
        (run(LOST, outcome="xfailed"), {"lost": ("skipped", f"failed as expected: {SAID}")}),
        (run(LOST, allow=(("lost", "known"),)), {}),
        (run(UNKNOWN), {"lost": ("skipped", "cannot be judged: 1 of 200 messages cannot be seen")}),
        (run(UNKNOWN, outcome="failed", settings={"strict": True}),
         {"lost": ("failure", "1 of 200 messages cannot be seen")}),
        (run(VACUOUS, outcome="failed"),
         {"vacuous": ("failure", "consumer_crash(after=ack(900)) never struck")}),
        (run(outcome="failed", error="assert 1 == 2"), {"test": ("failure", "assert 1 == 2")}),
        (run(outcome="xfailed", error="assert 0"), {"test": ("skipped", "failed as expected: assert 0")}),
        (run(outcome="error", error="fixture 'x' not found"), {"test": ("error", "fixture 'x' not found")}),
        (run(outcome="error"), {"test": (
            "error",
            "The test failed by itself, or while it was torn down; no promise was broken.",
        )}),
        (run(outcome="skipped", reason="no queue"), {"test": ("skipped", "no queue")}),
    ],
)  # fmt: skip
def test_what_a_run_comes_to(made: dict[str, Any], told: dict[str, tuple[str, str]]) -> None:
    """What counts fails, what cannot be judged or is expected is skipped, what is allowed passes."""
    assert cases(made) == told


def test_without_a_verdict() -> None:
    """Where nothing was judged there is one case, which says why; what never began is skipped."""
    none = {"nodeid": "a/t.py::test_it", "attempt": 1, "reproduce": ""}
    (suite,) = read(junit(session(run_record(None, outcome="failed", error="no consumer", **none))))
    assert [case.get("name") for case in suite.iter("testcase")] == ["test"]
    assert cases(run_record(None, outcome="failed", error="no consumer", **none)) == {
        "test": ("failure", "no consumer")
    }
    assert cases(skipped=[{"nodeid": "a/t.py::x", "scenario": "drop", "reason": "not today"}]) == {
        "test": ("skipped", "not today")
    }


def test_several_messages_are_told_in_the_plural() -> None:
    """What is said of one message by the check is said of several as the page says it."""
    blind = found(
        "lost", 1, 2, unknown=True, claim="was acknowledged, but whether its work was done cannot be seen"
    )
    dropped = found("overflow", 1, 2, claim="was dropped from `orders`", violation=False)
    order = found("reordered", 1, 2, claim="was worked on after `x`")
    (suite,) = read(junit(session(run(blind, dropped, order, outcome="failed"))))
    told = [each.get("message") for each in suite.iter() if each.tag in ("failure", "skipped")]
    told = [each for each in told if each not in ("not promised", "no canary")]
    assert told == [
        "cannot be judged: 2 of 200 messages were acknowledged, but whether their work was done cannot be seen",
        "2 of 200 messages: one of them, `orders-k3f9-000001`, was worked on after `x`",
    ]
    assert (
        suite.findtext("system-out") == "information: overflow: 2 of 200 messages were dropped from `orders`"
    )


def test_many_messages() -> None:
    """At most five messages are named."""
    (suite,) = read(junit(session(run(found("lost", *range(1, 10)), outcome="failed"))))
    (failure,) = suite.iter("failure")
    assert "orders-k3f9-000005, ... and 4 more (see the report)\n" in (failure.text or "")
    assert "000006" not in (failure.text or "")


def test_properties() -> None:
    """What pytest's own XML gets: flat, and only what is known."""
    assert properties(failing()) == [
        ("mqchaos_verdict", "fail"),
        ("mqchaos_scenario", "consumer_crash-after-ack-3"),
        ("mqchaos_guarantee", "at-least-once"),
        ("mqchaos_seed", "4711"),
        ("mqchaos_findings", "lost:by_consumer"),
        (
            "mqchaos_reproduce",
            "pytest 'tests/test_orders.py::test_orders[consumer_crash-after-ack-17]' --mqchaos-seed=4711",
        ),
    ]
    none = run_record(None, nodeid="t.py::x", attempt=1, outcome="failed", reproduce="", error="no")
    assert properties(none) == [("mqchaos_scenario", "baseline"), ("mqchaos_findings", "")]
    told = dict(properties(run(replace(LOST, violation=False), VACUOUS)))
    assert told["mqchaos_findings"] == "vacuous"


@pytest.mark.parametrize("evil", [*INJECTIONS, "\x00\x0b\x1b[31m\ufffe\uffff\x7f\x85", "]]>\r\n\t", ""])
def test_hostile_text_stays_text(evil: str) -> None:
    """No control character, no lone surrogate and no markup gets through: what is read is what was meant."""
    text = junit(document_full_of(evil or "x"))
    root = read(text)
    assert {each.tag for each in root.iter()} == {
        "testsuites", "testsuite", "properties", "property", "testcase", "failure", "error", "skipped", "system-out",
        "system-err",
    }  # fmt: skip
    assert all(line.isprintable() for line in text.split("\n"))
    lone = junit(session(skipped=[{"nodeid": "t.py::x", "scenario": "x", "reason": f"\ud800{evil}"}]))
    assert "\\ud800" in lone
    read(lone)


def test_twice_the_same() -> None:
    """Of equal documents the XML is equal, and an unreadable start is no timestamp."""
    assert junit(session(failing())) == junit(session(failing()))
    odd = {**session(passing()), "started": "yesterday"}
    assert [each.get("timestamp") for each in read(junit(odd))] == ["1970-01-01T00:00:00"]
