"""The terminal summary of a session: one line when all is well, else one for each run that is not.

It reads the records of the runs, computes nothing, and returns lines with their pytest markup; the plugin
writes them with pytest's own terminal reporter.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from pytest_mqchaos.model.printable import printable
from pytest_mqchaos.model.sequences import plural
from pytest_mqchaos.report.states import plural_attempts, state_of

__all__ = ["Line", "hidden_lines", "summary_lines"]

Line = tuple[str, dict[str, bool]]
"""A line and its markup, as `TerminalReporter.write_line` takes it."""

_MARKUP: Mapping[str, dict[str, bool]] = {
    "well": {"green": True},
    "failed": {"red": True},
    "unknown": {"yellow": True},
    "hazard": {"yellow": True},
    "plain": {},
}
_WORDS = {
    "failed": "failed",
    "unknown": "unknown",
    "expected": "failed as expected",
    "allowed": "with allowed findings",
    "well": "as promised",
}
"""What runs are called by their state, in the order of the headline."""
_SHOWN = 20
"""Most entries of one sort; a last line says how many there are more."""


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
    states = [state_of(run) for run in judged]
    attempts = {run["nodeid"]: run["attempt"] for run in sorted(runs, key=itemgetter("attempt"))}
    worst = next((state for state in ("failed", "unknown") if state in states), "well")
    lines = _styled([_headline(judged, states, len(runs))], worst)
    for wanted in ("failed", "unknown"):
        found = [run for run, state in zip(judged, states, strict=True) if state == wanted]
        for run in found[:_SHOWN]:
            lines += _styled(_fitted(_not_well(run, wanted, attempts), width), wanted)
            lines += _styled([part for text in _mends(run) for part in _fitted(text, width)], "plain")
            lines += _styled(
                [f"    again: {printable(run['reproduce'])}"] if run["reproduce"] else [], "plain"
            )
        lines += _styled(_more(found), wanted)
    for style, texts in (("plain", _allowances(judged)), ("hazard", _hazards(judged))):
        shown = [part for text in texts[:_SHOWN] for part in _fitted(text, width)]
        lines += _styled([*shown, *_more(texts)], style)
    return lines + _styled([] if path is None else [f"report: {printable(str(path))}"], "plain")


def hidden_lines(
    found: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], allowed: bool, width: int
) -> list[Line]:
    """Return a line for each attempt that broke its promise before the same test passed.

    Args:
        found: these runs, each with the later one that did not fail.
        allowed: whether the exit status stays what it is.
        width: of the terminal, in characters.
    """
    way_out = (
        "allowed by --mqchaos-allow-reruns"
        if allowed
        else "a rerun hides no loss, so the session fails; to allow it: --mqchaos-allow-reruns"
    )
    texts = [
        f"{_short(run)} broke its promise in attempt {run['attempt']} and {later['outcome']} in attempt "
        f"{later['attempt']}: {printable(run['summary'], 400)}; {way_out}"
        for run, later in found
    ]
    shown = [part for text in texts[:_SHOWN] for part in _fitted(text, width)]
    return _styled([*shown, *_more(texts)], "plain" if allowed else "failed")


def _headline(runs: Sequence[Mapping[str, Any]], states: Sequence[str], collected: int) -> str:
    if not runs:
        return f"{plural(collected, 'chaos test')} skipped"
    messages = sum(run["counts"]["published"] for run in runs)
    strikes = sum(fault["fired"] for run in runs for fault in run["faults"])
    facts = [plural_attempts(runs), plural(messages, "message")]
    if strikes:
        facts.append(f"{plural(strikes, 'fault')} struck")
    said = ", ".join(f"{states.count(state):,} {word}" for state, word in _WORDS.items() if state in states)
    if set(states) == {"well"}:
        said = "all as promised"
    broker = sum(run["evidence"] == "broker" for run in runs)
    share = "" if broker == len(runs) else f"{broker:,} in "
    return f"{', '.join(facts)}: {said}" + (f" ({share}the broker's view)" if broker else "")


def _not_well(run: Mapping[str, Any], word: str, attempts: Mapping[str, int]) -> str:
    by_itself = word == "failed" and not run["failed"]
    why = (run["error"] or "the test itself failed") if by_itself else run["summary"]
    of = attempts[run["nodeid"]]
    attempt = f" (attempt {run['attempt']} of {of})" if of > 1 else ""
    return f"{word} {_short(run)}{attempt}: {printable(why, 400).removeprefix('unknown: ')}"


def _mends(run: Mapping[str, Any]) -> list[str]:
    """Return what makes judgeable what could not be judged: of a passing test nothing else is shown."""
    open_ones = [
        each for each in run["findings"] if each["violation"] and each["unknown"] and each["allowed"] is None
    ]
    mends = dict.fromkeys(printable(each["mend"], 400) for each in open_ones if each["mend"])
    return [f"    mend: {mend}" for mend in mends]


def _allowances(runs: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a line for each violation that a test allows, and for each allowance that met nothing."""
    lines = []
    for run in runs:
        for each in run["findings"]:
            if each["violation"] and each["allowed"] is not None:
                name = f"{each['kind']}:{each['detail']}" if each["detail"] else each["kind"]
                why = f" ({printable(each['allowed'], 160)})" if each["allowed"] else ""
                lines.append(f"allowed in {_short(run)}: {name}, {plural(each['count'], 'message')}{why}")
        lines += [
            f'{_short(run)} allows "{printable(name, 80)}", which was not found'
            for name in run["unmatched_allow"]
        ]
    return lines


def _hazards(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return each hazard once for a test, named where it was seen first, with the scenario that proves it."""
    groups: dict[tuple[str, str, str], list[tuple[Mapping[str, Any], Mapping[str, Any]]]] = {}
    for run in runs:
        for hazard in run["hazards"]:
            if hazard["allowed"] is None:
                key = (run["nodeid"].partition("[")[0], hazard["kind"], hazard["consumer"])
                groups.setdefault(key, []).append((run, hazard))
    lines = []
    for seen in groups.values():
        clean = [each for each in seen if not each[1]["confirmed"]]
        if not clean:
            continue
        run, hazard = clean[0]
        proofs = [other for other, same in seen if same["confirmed"]]
        claim = printable(hazard["claim"] or hazard["kind"], 400)
        facts = [] if hazard["consumer"] in claim else [printable(hazard["consumer"], 80)]
        if hazard["messages"]:
            facts.append(f"{hazard['count']:,} of {plural(run['counts']['published'], 'message')}")
        about = f" ({', '.join(facts)})" if facts else ""
        proof = f", proved by {_short(proofs[0])}" if proofs else ""
        lines.append(f"hazard in {_short(run)}: {claim}{about}{proof}")
    return lines


def _short(run: Mapping[str, Any]) -> str:
    """Return the test's name without its file, as a reader of the lines above knows it."""
    head, bracket, rest = run["nodeid"].partition("[")
    return printable(head.rpartition("::")[2] + bracket + rest)


def _more(items: Sequence[object]) -> list[str]:
    return [f"... and {len(items) - _SHOWN:,} more (see the report)"] if len(items) > _SHOWN else []


def _styled(lines: Iterable[str], style: str) -> list[Line]:
    return [(line, dict(_MARKUP[style])) for line in lines]


def _fitted(text: str, width: int) -> list[str]:
    """Break a line between words; all before its colon, the name of the test above all, stays together."""
    head, colon, rest = text.partition(": ")
    whole = head.replace(" ", "\0") + colon + rest
    lines = textwrap.wrap(
        whole, max(width, 40), subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )
    return [line.replace("\0", " ") for line in lines]
