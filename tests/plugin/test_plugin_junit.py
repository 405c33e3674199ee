"""JUnit: the verdict as properties in pytest's own XML, and the report as XML of its own."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from chaos_bench import Bench, block

from pytest_mqchaos.model.findings import FINDING_KINDS

SOURCE = """
@pytest.mark.chaos(baseline(), consumer_crash(after=ack(17)))
def test_it(mqchaos, request):
    request.node.user_properties.append(("own", "value"))
    if mqchaos.scenario != "baseline":
        mqchaos.lose(17)

def test_hostile(mqchaos):
    mqchaos.error = "\\x1b[31m\\x00 <b>"

def test_plain(request):
    request.node.user_properties.append(("own", "value"))
"""


def told(bench: Bench) -> dict[str, dict[str, str]]:
    """Return the properties in pytest's own XML, by test."""
    root = ET.parse(bench.path / "junit.xml").getroot()
    names = [each.get("name", "") for each in root.iter("property")]
    assert "" not in names
    return {
        case.get("name", ""): {each.get("name", ""): each.get("value", "") for each in case.iter("property")}
        for case in root.iter("testcase")
    }


def check(bench: Bench) -> None:
    """Check the properties of SOURCE, whoever ran it."""
    found = told(bench)
    crash = found["test_it[consumer_crash-after-ack-17]"]
    seed = crash.pop("mqchaos_seed")
    assert crash == {
        "own": "value",
        "mqchaos_verdict": "fail",
        "mqchaos_scenario": "consumer_crash-after-ack-17",
        "mqchaos_guarantee": "at-least-once",
        "mqchaos_findings": "lost:by_consumer",
        "mqchaos_reproduce": "pytest 'test_orders.py::test_it[consumer_crash-after-ack-17]' --mqchaos-seed=0",
    }
    (run,) = [run for run in bench.report["runs"] if run["verdict"] == "fail"]
    assert seed == str(run["seed"])
    assert found["test_it[baseline]"]["mqchaos_verdict"] == "pass"
    assert "mqchaos_verdict" not in found["test_hostile"]
    assert found["test_hostile"]["mqchaos_scenario"] == "baseline"
    assert found["test_plain"] == {"own": "value"}


@pytest.mark.parametrize("family", ["xunit1", "xunit2"])
def test_properties(bench: Bench, family: str) -> None:
    """Each chaos test has the verdict beside its own properties, other tests have nothing of ours."""
    bench.run(SOURCE, "--junitxml=junit.xml", "-o", f"junit_family={family}")
    check(bench)


def test_properties_under_xdist(bench: Bench) -> None:
    """They cross from the workers."""
    pytest.importorskip("xdist")
    bench.run(SOURCE, "--junitxml=junit.xml", "-n2", plugins=["xdist"], subprocess=True)
    check(bench)


def test_properties_of_a_rerun(bench: Bench) -> None:
    """Each attempt has the properties of its own run, once each."""
    pytest.importorskip("pytest_rerunfailures")
    bench.run(
        "def test_it(mqchaos):\n    if mqchaos.settings.attempt == 1: mqchaos.lose(17)",
        "--reruns=1",
        "--junitxml=junit.xml",
        plugins=["rerunfailures"],
    )
    found = [
        [each.get("value") for each in case.iter("property") if each.get("name") == "mqchaos_verdict"]
        for case in ET.parse(bench.path / "junit.xml").iter("testcase")
    ]
    assert found == [["fail"], ["pass"]]


def test_failure_in_pytests_xml(bench: Bench) -> None:
    """JUnit XML has the message as message and the account as text."""
    bench.run("def test_it(mqchaos):\n    mqchaos.lose(17)", "--junitxml=junit.xml")
    (case,) = ET.parse(bench.path / "junit.xml").iter("testcase")
    (failure,) = case.findall("failure")
    assert failure.get("message") == "lost: 1 of 200 messages"
    assert (failure.text or "").startswith(
        "lost: 1 of 200 messages\n  orders-k3f9-000017 lost by the consumer"
    )


def test_report_of_its_own(bench: Bench) -> None:
    """`--mqchaos-report-junit` names a file with a case for each check and run; `again` leaves it out."""
    result = bench.run(SOURCE, "--mqchaos-report-junit=out/chaos.xml")
    suites = list(ET.parse(bench.path / "out" / "chaos.xml").getroot())
    assert [len(suite.findall("testcase")) for suite in suites] == [len(FINDING_KINDS)] * 2 + [1]
    assert [suite.get("failures") for suite in suites] == ["0", "1", "1"]
    (hostile,) = suites[2].iter("failure")
    assert hostile.get("message") == "\\x1b[31m\\x00 <b>"
    assert "report-junit" not in result.stdout.str()


def test_report_cannot_be_written(bench: Bench) -> None:
    """Where it cannot be written a line says so, and nothing else is lost."""
    result = bench.run("def test_it(mqchaos): ...", "--mqchaos-report-junit=test_orders.py/x.xml")
    assert result.ret == 0
    assert block(result, "mqchaos", "=")[-1].startswith("no JUnit XML: ")
    assert bench.report["runs"]
