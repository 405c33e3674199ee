"""Causes: what broke, once for all the runs that it broke."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_mqchaos.report.alike import apart, pattern, united
from pytest_mqchaos.report.states import ORDER, is_open, severity, worst_state

__all__ = ["alike", "causes", "is_of", "without_faults"]

Record = Mapping[str, Any]

_NUMBER = re.compile(r"\d+")
_STATES = ("failed", "unknown", "expected", "allowed")


def causes(runs: Sequence[Record]) -> list[dict[str, Any]]:
    """Return each cause with the runs it shows in, failed tests first; of them the gravest, then the largest."""
    groups: dict[tuple[str, ...], list[tuple[int, Record]]] = {}
    for number, run in enumerate(runs):
        if run["state"] in _STATES:
            for finding in _telling(run):
                groups.setdefault(_key(finding, run), []).append((number, finding))
    found = [_cause(seen, runs) for seen in groups.values()]
    return sorted(found, key=_rank)


def _rank(cause: Record) -> tuple[Any, ...]:
    return ORDER.index(cause["state"]), *severity(cause), -len(cause["runs"])


def _telling(run: Record) -> Iterator[Record]:
    """Yield what a run is told by: what counts, else what is allowed, else its own failure."""
    counting = [each for each in run["findings"] if is_open(each)]
    allowed = [each for each in run["findings"] if each["violation"] and each["allowed"] is not None]
    if counting:
        yield from counting
    elif run["outcome"] in ("failed", "error"):
        yield {
            "kind": "error",
            "detail": "",
            "claim": _own_failure(run),
            "cause": "",
            "mend": "",
            "count": 0,
            "unknown": run["verdict"] is None,
            "how_to_allow": "",
        }
    else:
        yield from allowed


def _own_failure(run: Record) -> str:
    if run["error"] is None:
        return "the test failed by itself, or while it was torn down"
    return (
        f"no verdict: {run['error']}"
        if run["verdict"] is None
        else f"the test failed by itself: {run['error']}"
    )


def _key(finding: Record, run: Record) -> tuple[str, ...]:
    cause = pattern(without_faults(finding["cause"], run), _names(run))
    claim = "" if cause else alike(finding["claim"], run)
    mend = pattern(finding["mend"], _names(run))
    return finding["kind"], finding["detail"], cause, claim, mend, str(finding["unknown"])


def alike(claim: str, run: Record) -> str:
    """Return what claims of one cause have in common: no number, and of replicas the name that they share."""
    return _NUMBER.sub("#", pattern(claim, _names(run)))


def _names(run: Record) -> list[str]:
    return [each["name"] for each in run["consumers"]]


def without_faults(cause: str, run: Record) -> str:
    """Return a cause without the faults of its run: those differ where the cause is the same."""
    for fault in run["faults"]:
        for words in (f" after {fault['description']}", fault["description"]):
            cause = cause.replace(words, "")
    return cause.strip()


def is_of(finding: Record, run: Record, cause: Record) -> bool:
    """Whether a finding of a run is one of those that a cause of the overview stands for; replicas may differ."""

    def same(one: str, other: str) -> bool:
        return alike(apart(one), run) == alike(apart(other), run)

    if any(finding[name] != cause[name] for name in ("kind", "detail", "unknown")):
        return False
    if not same(finding["mend"], cause["mend"]):
        return False
    if not same(without_faults(finding["cause"], run), without_faults(cause["cause"], run)):
        return False
    return not cause["claim"] or same(finding["claim"], cause["claim"])


def _cause(seen: Sequence[tuple[int, Record]], runs: Sequence[Record]) -> dict[str, Any]:
    seen = sorted(
        seen, key=lambda one: ORDER.index(runs[one[0]]["state"])
    )  # a reader begins with the gravest run
    first = seen[0][1]
    numbers = list(dict.fromkeys(number for number, _ in seen))
    scenarios = list(dict.fromkeys(runs[number]["scenario"] for number in numbers))
    why = _why(seen, runs)
    claims = list(dict.fromkeys(finding["claim"] for _, finding in seen))
    return {
        "kind": first["kind"],
        "detail": first["detail"],
        "state": worst_state([runs[number]["state"] for number in numbers]),
        "claim": claims[0] if len(claims) == 1 else "" if why else _of_all(seen, "claim", runs),
        "cause": why,
        "mend": _of_all(seen, "mend", runs),
        "unknown": first["unknown"],
        "how_to_allow": first["how_to_allow"],
        "messages": sum(finding["count"] for _, finding in seen),
        "tests": list(dict.fromkeys(runs[number]["test"] for number in numbers)),
        "scenarios": scenarios,
        "runs": numbers,
    }


def _why(seen: Sequence[tuple[int, Record]], runs: Sequence[Record]) -> str:
    """Return the cause of all; of one run with its fault, which differs between runs."""
    if len({finding["cause"] for _, finding in seen}) == 1 and len({number for number, _ in seen}) == 1:
        return str(seen[0][1]["cause"])
    return _of_all(seen, "cause", runs)


def _of_all(seen: Sequence[tuple[int, Record]], field: str, runs: Sequence[Record]) -> str:
    """Return one text for those of all findings: with each replica named, if they are of one pattern."""
    texts: dict[str, Record] = {}
    for number, finding in seen:
        text = without_faults(finding[field], runs[number]) if field == "cause" else finding[field]
        texts.setdefault(text, runs[number])
    if len(texts) == 1 or len({pattern(text, _names(run)) for text, run in texts.items()}) > 1:
        return next(iter(texts))
    return united([(text, _names(run)) for text, run in texts.items()])
