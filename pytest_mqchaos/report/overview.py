"""The overview of a session: its verdict in a sentence, the matrix of tests and scenarios, and the causes.

```
runs ──state_of──► states ─┬─► headline      "2 of 5 chaos tests broke their promise"
                           ├─► matrix        tests x scenarios, the baseline first
                           └─► causes        "5 scenarios, one cause: worker never reconnected"
```
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_mqchaos.model.sequences import plural
from pytest_mqchaos.report.causes import causes
from pytest_mqchaos.report.machines import machine
from pytest_mqchaos.report.states import ORDER, plural_attempts, worst_state

__all__ = ["overview", "split_name"]

Record = Mapping[str, Any]

_WIDEST = 8
"""Most scenarios that a table has a column each for."""
_DENSE = 0.6

_HEADLINES = {
    "failed": "{n} of {all} failed",
    "unknown": "{n} of {all} could not be judged",
    "expected": "no surprise: {n} of {all} failed as expected",
    "allowed": "{n} of {all} broke a promise, and {their} allowed to",
    "well": "{all}: all as promised",
    "skipped": "{all} skipped",
}
_ONE = {
    "failed": "The chaos test failed.",
    "unknown": "The chaos test could not be judged.",
    "expected": "No surprise: the chaos test failed as expected.",
    "allowed": "The chaos test broke its promise, and is allowed to.",
    "well": "The chaos test kept its promise.",
    "skipped": "The chaos test was skipped.",
}


def overview(runs: Sequence[Record], skipped: Sequence[Record]) -> dict[str, Any]:
    """Return the overview of the runs, whose `state` is set, and of what was skipped before it began."""
    states = [run["state"] for run in runs] + ["skipped"] * len(skipped)
    found = causes(runs)
    return {
        "state": worst_state(states),
        "headline": _headline(states, [run for run in runs if run["state"] != "skipped"]),
        **_first(runs, found),
        "states": {state: states.count(state) for state in ORDER if state in states},
        "messages": sum(run["counts"]["published"] for run in runs),
        "strikes": sum(fault["strikes"] for run in runs for fault in run["faults"]),
        "causes": found,
        **_matrix(runs, skipped),
    }


def _first(runs: Sequence[Record], found: Sequence[Record]) -> dict[str, Any]:
    """Return what was promised and what happened in a run of the worst state: the first one of the first cause."""
    worst = worst_state([run["state"] for run in runs])
    numbers = [*(number for cause in found for number in cause["runs"]), *range(len(runs))]
    first = next((number for number in numbers if runs[number]["state"] == worst), None)
    if first is None:
        return {"first": None, "guarantee": None, "promise": "", "happened": ""}
    run = runs[first]
    named = {"first": first, "guarantee": run["guarantee"], "promise": run["promise"]}
    if worst != "well":
        return {**named, "happened": run["happened"]}
    promised = list(
        dict.fromkeys(each["guarantee"] for each in runs if each["state"] == worst and each["guarantee"])
    )
    if len(promised) > 1:
        named |= {"guarantee": ", ".join(promised), "promise": ""}
    messages = sum(each["counts"]["published"] for each in runs)
    strikes = sum(fault["strikes"] for each in runs for fault in each["faults"])
    said = f"{plural(messages, 'message')} published, {plural(strikes, 'fault')} struck, every message accounted for."
    return {**named, "happened": said}


def split_name(nodeid: str, scenario: str) -> tuple[str, str]:
    """Return a test's file and its name without the scenario, which stands first among its parameters."""
    head, bracket, rest = nodeid.partition("[")
    path, _, name = head.rpartition("::")
    others = rest.removesuffix("]").removeprefix(scenario).removeprefix("-") if bracket else ""
    if bracket and not rest.startswith(scenario):
        others = rest.removesuffix("]")
    return path, f"{name}[{others}]" if others else name


def _headline(states: Sequence[str], judged: Sequence[Record]) -> str:
    state, count = worst_state(states), len(judged) or len(states)
    number = states.count(state)
    every = plural_attempts(judged) if judged else plural(count, "chaos test")
    if count == 1:
        return _ONE[state]
    their = "is" if number == 1 else "are"
    text = _HEADLINES[state].format(n=f"{number:,}", all=every, their=their)
    if state == "failed" and (unknown := states.count("unknown")):
        text += f", {unknown:,} could not be judged"
    return f"{text[:1].upper()}{text[1:]}."


def _matrix(runs: Sequence[Record], skipped: Iterable[Record]) -> dict[str, Any]:
    """Return the rows, one a test, with a cell for each scenario; the baseline comes first."""
    rows: dict[tuple[str, str], dict[str, list[int]]] = {}
    reasons: dict[tuple[str, str], dict[str, str]] = {}
    for number, run in enumerate(runs):
        key = (run["file"], run["test"])
        rows.setdefault(key, {}).setdefault(run["scenario"], []).append(number)
    for each in skipped:
        key = (each["file"], each["test"])
        rows.setdefault(key, {}).setdefault(each["scenario"], [])
        reasons.setdefault(key, {})[each["scenario"]] = each["reason"]
    scenarios = sorted(
        dict.fromkeys(name for cells in rows.values() for name in cells), key="baseline".__ne__
    )
    filled = sum(len(cells) for cells in rows.values())
    dense = len(scenarios) <= _WIDEST and filled >= _DENSE * len(rows) * len(scenarios)
    return {
        "scenarios": scenarios,
        "dense": dense,
        "tests": [
            {
                "file": file,
                "test": test,
                "cells": [
                    _cell(name, cells[name], runs, reasons.get((file, test), {}).get(name, ""))
                    for name in sorted(cells, key="baseline".__ne__)
                ],
            }
            for (file, test), cells in rows.items()
        ],
    }


def _cell(scenario: str, numbers: Sequence[int], runs: Sequence[Record], reason: str) -> dict[str, Any]:
    state = worst_state([runs[number]["state"] for number in numbers])
    worst = next((number for number in numbers if runs[number]["state"] == state), None)
    return {
        "scenario": scenario,
        "state": state,
        "run": worst,
        "attempts": max(Counter(machine(runs[number]) for number in numbers).values(), default=0),
        "reason": reason or ("" if worst is None else runs[worst]["summary"]),
    }
