"""What the links of a cause to its runs are called: what differs between them, and no word that all of them share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["chip_labels"]

Record = Mapping[str, Any]


def chip_labels(
    cause: Record, runs: Sequence[Record], where: Callable[[Record], str]
) -> tuple[str, dict[int, str]]:
    """Return in which tests a cause shows, in words, and the label of each of its runs, by its number.

    The label is the scenario if that tells the runs apart; else it begins with the test, of tests of one name only
    with the parameters.
    """
    numbers: Sequence[int] = cause["runs"]
    tests, scenarios = cause["tests"], cause["scenarios"]
    ends = {number: _end(runs[number], where) for number in numbers}
    plain = {number: f"{runs[number]['scenario']}{ends[number]}" for number in numbers}
    if len(tests) == 1 or len(set(plain.values())) == len(numbers):
        more = f" and {len(tests) - 6:,} more" if len(tests) > 6 else ""
        return f"in {', '.join(tests[:6])}{more}", plain
    heads = {test.partition("[")[0] for test in tests}
    names = {test: test.partition("[")[2].removesuffix("]") if len(heads) == 1 else test for test in tests}
    under = f" under {scenarios[0]}" if len(scenarios) == 1 else ""
    labels = {}
    for number in numbers:
        name = names[runs[number]["test"]] or runs[number]["test"]
        labels[number] = f"{name}{'' if under else ' under ' + runs[number]['scenario']}{ends[number]}"
    place = f"{len(tests):,} tests{' of ' + next(iter(heads)) if len(heads) == 1 else ''}"
    return f"in {place}{under}", labels


def _end(run: Record, where: Callable[[Record], str]) -> str:
    on = where(run)
    attempt = f", attempt {run['attempt']}" if run["attempt"] > 1 else ""
    return f"{f' on {on}' if on else ''}{attempt}"
