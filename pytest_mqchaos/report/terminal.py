"""The terminal summary of a session: one line when all is well, else one for each run that is not.

It reads the records of the runs, computes nothing, and returns lines with their pytest markup; the plugin
writes them with pytest's own terminal reporter.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_mqchaos.model.printable import printable
from pytest_mqchaos.model.sequences import plural

__all__ = ["Line", "summary_lines"]

Line = tuple[str, dict[str, bool]]
"""A line and its markup, as `TerminalReporter.write_line` takes it."""

_MARKUP: Mapping[str, dict[str, bool]] = {
    "well": {"green": True},
    "failed": {"red": True},
    "unknown": {"yellow": True},
    "hazard": {"yellow": True},
    "plain": {},
}
_SHOWN = 20
"""Most lines of one sort; a last one says how many there are more."""


def summary_lines(runs: Sequence[Mapping[str, Any]], path: Path | str | None, width: int) -> list[Line]:
    """Return the lines of the summary.

    Args:
        runs: the records of the session's runs, in order.
        path: where the report is; None if none was written.
        width: of the terminal, in characters; longer lines go on below, indented. No word is broken.
    """
    if not runs:
        return []
    judged = [run for run in runs if run["outcome"] != "skipped"]
    states = [_state(run) for run in judged]
    well = all(state == "well" for state in states)
    lines = [(_headline(judged, states), "well" if well else "failed" if "failed" in states else "unknown")]
    for wanted in ("failed", "unknown"):
        found = [run for run, state in zip(judged, states, strict=True) if state == wanted]
        lines += _capped([(_not_well(run), wanted) for run in found])
    lines += _capped([(text, "plain") for run in judged for text in _allowed(run)])
    lines += _capped([(text, "hazard") for text in _hazards(judged)])
    if path is not None:
        lines.append((f"report: {path}", "plain"))
    return [(part, dict(_MARKUP[style])) for text, style in lines for part in _fitted(text, width)]


def _state(run: Mapping[str, Any]) -> str:
    if run["failed"] or run["outcome"] in ("failed", "error"):
        return "failed"
    undecided = run["verdict"] == "unknown" and not _all_allowed(run)
    return "unknown" if undecided else "well"


def _all_allowed(run: Mapping[str, Any]) -> bool:
    return all(each["allowed"] is not None for each in run["findings"] if each["violation"])


def _headline(runs: Sequence[Mapping[str, Any]], states: Sequence[str]) -> str:
    messages = sum(run["counts"]["published"] for run in runs)
    strikes = sum(fault["fired"] for run in runs for fault in run["faults"])
    facts = [plural(len(runs), "chaos test"), plural(messages, "message")]
    if strikes:
        facts.append(f"{plural(strikes, 'fault')} struck")
    if all(state == "well" for state in states):
        said = "every promise kept" if runs else "all skipped"
    else:
        counted = [("failed", "failed"), ("unknown", "unknown"), ("well", "as promised")]
        said = ", ".join(f"{states.count(s):,} {word}" for s, word in counted if s in states)
    broker = sum(run["evidence"] == "broker" for run in runs)
    view = "" if not broker else f" ({'' if broker == len(runs) else f'{broker:,} in '}the broker's view)"
    return f"{', '.join(facts)}: {said}{view}"


def _not_well(run: Mapping[str, Any]) -> str:
    why = (
        run["summary"]
        if run["failed"] or run["verdict"] == "unknown"
        else run["error"] or "the test itself failed"
    )
    word = "failed" if _state(run) == "failed" else "unknown"
    again = f" (attempt {run['attempt']})" if run["attempt"] > 1 else ""
    return f"{word} {_short(run)}{again}: {printable(why or 'the test itself failed', 400)}"


def _allowed(run: Mapping[str, Any]) -> Iterable[str]:
    for each in run["findings"]:
        if each["violation"] and each["allowed"] is not None:
            name = f"{each['kind']}:{each['detail']}" if each["detail"] else each["kind"]
            why = f" ({printable(each['allowed'], 160)})" if each["allowed"] else ""
            yield f"allowed in {_short(run)}: {name}, {plural(each['count'], 'message')}{why}"
    for name in run["unmatched_allow"]:
        yield f'{_short(run)} allows "{printable(name, 80)}", which was not found'


def _hazards(runs: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """Yield each hazard once for a test, named where it was seen first, with the scenario that proves it."""
    groups: dict[tuple[str, str, str], list[tuple[Mapping[str, Any], Mapping[str, Any]]]] = {}
    for run in runs:
        for hazard in run["hazards"]:
            if hazard["allowed"] is None:
                key = (run["nodeid"].partition("[")[0], hazard["kind"], hazard["consumer"])
                groups.setdefault(key, []).append((run, hazard))
    for seen in groups.values():
        clean = [each for each in seen if not each[1]["confirmed"]]
        if not clean:
            continue
        run, hazard = clean[0]
        proofs = [other for other, same in seen if same["confirmed"]]
        who = f" ({printable(hazard['consumer'], 80)})" if hazard["consumer"] else ""
        proof = f", proved by {_short(proofs[0])}" if proofs else ""
        yield f"hazard in {_short(run)}: {printable(hazard['claim'] or hazard['kind'], 400)}{who}{proof}"


def _short(run: Mapping[str, Any]) -> str:
    """Return the test's name without its file, as a reader of the lines above knows it."""
    head, bracket, rest = run["nodeid"].partition("[")
    return printable(head.rpartition("::")[2] + bracket + rest)


def _capped(lines: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    if len(lines) <= _SHOWN:
        return list(lines)
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], (f"... and {more:,} more (see the report)", lines[0][1])]


def _fitted(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text, max(width, 40), subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )
