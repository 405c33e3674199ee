"""What a run came to, in one word and in one sentence: from its record alone, for every renderer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_mqchaos.model.findings import FINDING_KINDS
from pytest_mqchaos.model.sequences import plural
from pytest_mqchaos.report.claims import behind, claimed
from pytest_mqchaos.report.tally import tally

__all__ = [
    "ORDER",
    "happened",
    "is_open",
    "many",
    "plural_attempts",
    "severity",
    "state_of",
    "told",
    "told_by",
    "worst_state",
]

Record = Mapping[str, Any]

ORDER = ("failed", "unknown", "expected", "allowed", "well", "skipped")
"""Every state, the one that a reader must see first at the front.

`expected`: failed, and marked `xfail`. `allowed`: the promise was broken, or could not be judged, and the test
allows just that.
"""

_SENTENCES = {
    "poison stuck: ": "stuck: ",
    "requeue storm: ": "in a requeue storm: ",
}


def state_of(run: Record) -> str:
    """Return the state of a run, one of `ORDER`."""
    if run["outcome"] == "skipped":
        return "skipped"
    if run["outcome"] == "xfailed":
        return "expected"
    if run["failed"] or run["outcome"] in ("failed", "error"):
        return "failed"
    violations = [each for each in run["findings"] if each["violation"]]
    if run["verdict"] == "unknown" and any(is_open(each) for each in violations):
        return "unknown"
    return "allowed" if violations else "unknown" if run["verdict"] == "unknown" else "well"


def worst_state(states: Sequence[str]) -> str:
    """Return the state that comes first in `ORDER`; `skipped` of none."""
    return min(states, key=ORDER.index, default="skipped")


def is_open(finding: Record) -> bool:
    """Whether a finding counts: it breaks the promise or cannot be judged, and the test does not allow it."""
    return (finding["violation"] or finding["kind"] == "vacuous") and finding["allowed"] is None


def severity(finding: Record) -> tuple[bool, int, int]:
    """Return what findings and causes are sorted by: what is certain first, then the gravest, then the largest."""
    kind = finding["kind"]
    grave = FINDING_KINDS.index(kind) if kind in FINDING_KINDS else len(FINDING_KINDS)
    return finding["unknown"], grave, -finding.get("count", finding.get("messages", 0))


def told_by(run: Record) -> list[Record]:
    """Return the findings that a run is told by, the gravest first: those that count, else what is allowed."""
    telling = [each for each in run["findings"] if is_open(each)]
    return sorted(telling or [each for each in run["findings"] if each["violation"]], key=severity)


def happened(run: Record) -> str:
    """Return what happened in a run, as one sentence."""
    if run["outcome"] == "skipped":
        why = run.get("reason") or run["error"]
        return f"Skipped: {why}" if why else "Skipped."
    telling = told_by(run)
    if run["error"] is not None and not any(is_open(each) for each in telling):
        return (
            f"No verdict: {run['error']}"
            if run["verdict"] is None
            else f"The test failed by itself: {run['error']}"
        )
    if not telling:
        if run["outcome"] in ("failed", "error"):
            return "The test failed by itself, or while it was torn down; no promise was broken."
        return tally(run)
    first, *others = telling
    more = f"; and {plural(len(others), 'finding')} more" if others else ""
    return f"{told(first, run)}{more}."


def told(finding: Record, run: Record) -> str:
    """Return what one finding of a run says, as a sentence without its end."""
    claim = claimed(finding, run)
    for prefix, shorter in _SENTENCES.items():
        if claim.startswith(prefix):
            claim = shorter + claim.removeprefix(prefix)
    claim = claim.rstrip(".")
    cause = (
        f"; {behind(finding['cause'].rstrip('.'))}"
        if finding["cause"] and finding["cause"] not in claim
        else ""
    )
    if finding["kind"] == "vacuous":
        return f"This run proves nothing: {claim}{cause}"
    counted = many(finding, run)
    colon = ":" if claim.startswith("one of them") else ""
    return f"{counted}{colon} {claim}{cause}" if counted else f"{claim[:1].upper()}{claim[1:]}{cause}"


def plural_attempts(runs: Sequence[Record]) -> str:
    """Return how many tests these runs are: `2 chaos tests`, or `3 attempts at 2 chaos tests`."""
    tests = plural(sum(run["attempt"] == 1 for run in runs) or 1, "chaos test")
    return f"{len(runs):,} attempts at {tests}" if any(run["attempt"] > 1 for run in runs) else tests


def many(finding: Record, run: Record) -> str:
    """Return how many messages a finding is about: `1 of 200 messages`; empty if it names none."""
    count, counts = finding["count"], run["counts"]
    if not count:
        return ""
    poison = finding["kind"].startswith("poison")
    total = counts["poison"] if poison else counts["published"]
    if finding["kind"] in ("lost", "persistence_loss", "stranded", "dead_letter_false_positive"):
        total -= counts["poison"]
    noun = "poison message" if poison else "message"
    return plural(count, noun) if count > total else f"{count:,} of {plural(total, noun)}"
