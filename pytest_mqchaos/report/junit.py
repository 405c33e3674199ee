"""The report as JUnit XML, for what CI servers count and chart: a suite for each run, in it a case for each check.

There is no norm. This keeps to what the schemas of Ant (Windy Road's `JUnit.xsd`) and of Jenkins (`junit-10.xsd`)
have in common: `failure`, `error` and `skipped` are all that a case can hold, and what is allowed or for information
only is told in the suite's `system-out`. A check that had nothing to look at did not pass: it is skipped.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_mqchaos.model.findings import FINDING_KINDS
from pytest_mqchaos.model.printable import printable
from pytest_mqchaos.model.sequences import SHOWN
from pytest_mqchaos.report.claims import counted_claim
from pytest_mqchaos.report.html.complete import complete
from pytest_mqchaos.report.machines import labels
from pytest_mqchaos.report.states import is_open, many

__all__ = ["junit", "properties"]

Record = Mapping[str, Any]

_LONGEST = 1000
_PROMISED = {
    "reordered": "ordered",
    "late": "within",
    "prefetch_breach": "prefetch",
    "failover_miss": "failover",
    "retry_schedule": "retry",
}
"""Checks that look at nothing unless a test promises it, and the promise."""
_OWN = "test"
"""The case that is no check: the test's own failure, or why there was no verdict."""


def properties(run: Record) -> list[tuple[str, str]]:
    """Return what a test's entry says of its run, flat: names and printable texts; what is not known is left out."""
    telling = [each for each in run["findings"] if each["violation"] or each["kind"] == "vacuous"]
    told = {
        "verdict": run["verdict"],
        "scenario": run["scenario"],
        "guarantee": run["guarantee"],
        "seed": run["seed"],
        "findings": ", ".join(dict.fromkeys(_name(each) for each in telling)),
        "reproduce": run["reproduce"] or None,
    }
    return [
        (f"mqchaos_{name}", printable(str(value), _LONGEST))
        for name, value in told.items()
        if value is not None
    ]


def junit(document: Record) -> str:
    """Return a document of any 1.x as JUnit XML."""
    whole = complete(document)
    root = ET.Element("testsuites")
    where = labels(whole["runs"])
    made = [_suite(run["nodeid"], _cases(run), run, where=where(run)) for run in whole["runs"]]
    made += [
        _suite(each["nodeid"], [(_OWN, _skipped(each["reason"]))], each, attempt=1)
        for each in whole["skipped"]
    ]
    for number, suite in enumerate(made):
        suite.set("id", str(number))
        suite.set("timestamp", _timestamp(whole["started"]))
        root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


Case = tuple[str, ET.Element | None]
"""A case's name, and what did not go well."""


def _suite(
    nodeid: str, cases: Sequence[Case], run: Record, *, attempt: int = 0, where: str = ""
) -> ET.Element:
    number = attempt or run["attempt"]
    again = f"{f' on {where}' if where else ''}{f' (attempt {number})' if number > 1 else ''}"
    tags = [result.tag for _, result in cases if result is not None]
    path, _, test = nodeid.partition("::")
    suite = ET.Element(
        "testsuite",
        name=_attribute(nodeid + again),
        package=_attribute(path.removesuffix(".py").replace("/", ".")),
        hostname="localhost",
        tests=str(len(cases)),
        failures=str(tags.count("failure")),
        errors=str(tags.count("error")),
        skipped=str(tags.count("skipped")),
        time=f"{sum(each or 0.0 for each in run.get('timings', {}).values()):.3f}",
    )
    told = ET.SubElement(suite, "properties")
    for name, value in properties(run) if "verdict" in run else ():
        ET.SubElement(told, "property", name=name, value=value)
    for name, result in cases:
        classname = _attribute(f"{suite.get('package')}.{test}{again}")
        case = ET.SubElement(suite, "testcase", name=_attribute(name), classname=classname, time="0.000")
        if result is not None:
            case.append(result)
    ET.SubElement(suite, "system-out").text = "\n".join(_asides(run)) if "verdict" in run else ""
    ET.SubElement(suite, "system-err")
    return suite


def _cases(run: Record) -> list[Case]:
    """Return a case for each check, and one for the test itself where that has something to tell."""
    cases = list(_own(run))
    if run["verdict"] is None:
        return cases
    kinds = dict.fromkeys((*FINDING_KINDS, *(each["kind"] for each in run["findings"])))
    for kind in kinds:
        open_ones = [each for each in run["findings"] if each["kind"] == kind and is_open(each)]
        cases.append((kind, _result(open_ones, run) if open_ones else _not_looked_at(kind, run)))
    return cases


def _not_looked_at(kind: str, run: Record) -> ET.Element | None:
    """Return that a check had nothing to judge, None if it had."""
    if any(each["kind"] == kind for each in run["findings"]):
        return None
    if kind in _PROMISED and f" + {_PROMISED[kind]}(" not in (run["guarantee"] or ""):
        return _skipped("not promised")
    return _skipped("no canary") if kind == "blind" and not run.get("canary") else None


def _own(run: Record) -> Iterator[Case]:
    if run["outcome"] == "skipped":
        yield _OWN, _skipped(run["reason"] or run["happened"])
    elif run["error"] is not None or (run["state"] == "failed" and not any(map(is_open, run["findings"]))):
        why = run["error"] or run["happened"]
        expected = run["state"] == "expected"
        tag = "error" if run["outcome"] == "error" else "failure"  # what failed before the test or after it
        yield (
            _OWN,
            _skipped(f"failed as expected: {why}") if expected else _failed(tag, "error", why, [], run),
        )
    elif run["verdict"] is None:
        yield _OWN, _skipped("no verdict")


def _result(findings: Sequence[Record], run: Record) -> ET.Element:
    counting = [each for each in findings if _counts(each, run)]
    first = (counting or findings)[0]
    said = counted_claim(many(first, run), first, run)
    if run["state"] == "expected":
        return _skipped(f"failed as expected: {said}")
    if not counting:
        return _skipped(f"cannot be judged: {said}")
    return _failed("failure", _name(first), said, counting, run)


def _counts(finding: Record, run: Record) -> bool:
    """Whether a finding fails the test: what cannot be judged does where the test is strict."""
    return finding["kind"] == "vacuous" or not finding["unknown"] or bool(run["settings"].get("strict"))


def _skipped(why: str) -> ET.Element:
    return ET.Element("skipped", message=_attribute(why))


def _failed(tag: str, kind: str, message: str, findings: Sequence[Record], run: Record) -> ET.Element:
    made = ET.Element(tag, type=_attribute(kind), message=_attribute(message))
    lines = [line for each in findings for line in _lines(each, run)]
    again = [f"again: {run['reproduce']}"] if run["reproduce"] else []
    made.text = "\n".join(printable(line, _LONGEST) for line in [*lines, *again])
    return made


def _lines(finding: Record, run: Record) -> Iterator[str]:
    yield f"{_name(finding)}: {counted_claim(many(finding, run), finding, run)}"
    shown, more = finding["messages"][:SHOWN], finding["count"] - SHOWN
    if shown:
        yield f"messages: {', '.join(shown)}{f', ... and {more:,} more (see the report)' if more > 0 else ''}"
    for name, title in (("cause", "cause"), ("mend", "mend"), ("how_to_allow", "to allow just this")):
        if finding[name]:
            yield f"{title}: {finding[name]}"


def _asides(run: Record) -> Iterator[str]:
    """Yield what fails nothing: allowed findings, information, hazards."""
    for each in run["findings"]:
        if not is_open(each):
            allowed = each["allowed"]
            sort = "information" if allowed is None else f"allowed ({allowed})" if allowed else "allowed"
            yield printable(f"{sort}: {_name(each)}: {counted_claim(many(each, run), each, run)}", _LONGEST)
    for each in run["hazards"]:
        yield printable(f"hazard: {each['kind']}: {each['claim']}", _LONGEST)


def _name(finding: Record) -> str:
    return f"{finding['kind']}:{finding['detail']}" if finding["detail"] else str(finding["kind"])


def _attribute(text: str) -> str:
    return printable(text, _LONGEST) or "-"


def _timestamp(started: str) -> str:
    """Return the local time without its offset: the schemas know none."""
    found = re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", started)
    return found[0] if found else "1970-01-01T00:00:00"
