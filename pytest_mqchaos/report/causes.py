"""Causes: what broke, once for all the runs that it broke."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_mqchaos.report.states import ORDER, is_open, severity, worst_state

__all__ = ["causes", "is_of", "without_faults"]

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
    cause = without_faults(finding["cause"], run)
    claim = "" if cause else _NUMBER.sub("#", finding["claim"])
    return finding["kind"], finding["detail"], cause, claim, finding["mend"], str(finding["unknown"])


def without_faults(cause: str, run: Record) -> str:
    """Return a cause without the faults of its run: those differ where the cause is the same."""
    for fault in run["faults"]:
        for words in (f" after {fault['description']}", fault["description"]):
            cause = cause.replace(words, "")
    return cause.strip()


def is_of(finding: Record, run: Record, cause: Record) -> bool:
    """Whether a finding of a run is one of those that a cause of the overview stands for."""
    if any(finding[name] != cause[name] for name in ("kind", "detail", "mend", "unknown")):
        return False
    if without_faults(finding["cause"], run) != without_faults(cause["cause"], run):
        return False
    return not cause["claim"] or _NUMBER.sub("#", finding["claim"]) == _NUMBER.sub("#", cause["claim"])


def _cause(seen: Sequence[tuple[int, Record]], runs: Sequence[Record]) -> dict[str, Any]:
    first_run, first = runs[seen[0][0]], seen[0][1]
    numbers = list(dict.fromkeys(number for number, _ in seen))
    scenarios = list(dict.fromkeys(runs[number]["scenario"] for number in numbers))
    alone = len(numbers) == 1
    why = first["cause"] if alone else without_faults(first["cause"], first_run)
    return {
        "kind": first["kind"],
        "detail": first["detail"],
        "state": worst_state([runs[number]["state"] for number in numbers]),
        "claim": first["claim"] if len({finding["claim"] for _, finding in seen}) == 1 or not why else "",
        "cause": why,
        "mend": first["mend"],
        "unknown": first["unknown"],
        "how_to_allow": first["how_to_allow"],
        "messages": sum(finding["count"] for _, finding in seen),
        "tests": list(dict.fromkeys(runs[number]["test"] for number in numbers)),
        "scenarios": scenarios,
        "runs": numbers,
    }
