"""What a cause is called: what became of how many messages, and why, in one line.

```
Lost 5 messages in 5 scenarios, one cause: worker acknowledges before its work shows
Worked on 39 messages late: each: it waited in `orders` for most of that: its consumers are too slow or too few
```
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_mqchaos.model.sequences import plural
from pytest_mqchaos.report.causes import is_of, without_faults
from pytest_mqchaos.report.claims import behind, in_plural

__all__ = ["heading", "proofs", "told_in"]

Record = Mapping[str, Any]

_WHAT: Mapping[str, str] = {
    "lost": "Lost {}",
    "persistence_loss": "Lost {} when the broker stopped",
    "stranded": "Stranded {}",
    "duplicated": "Worked on {} more than once",
    "redelivered": "Delivered {} again",
    "unacknowledged": "Left {} unacknowledged",
    "stalled": "Left {} waiting",
    "acked_before_effect": "Acknowledged {} before the work",
    "requeue_storm": "Gave {} back again and again",
    "poison_stuck": "Stuck on {}",
    "poison_effected": "Worked on {}",
    "dead_letter_miss": "Missed the dead-letter queue with {}",
    "dead_letter_false_positive": "Dead-lettered {} without need",
    "unexpected": "Came upon {} that nobody published",
    "corrupted": "Corrupted {}",
    "illegal_transition": "Settled {} in a way that cannot be",
    "reordered": "Worked on {} out of order",
    "late": "Worked on {} late",
    "prefetch_breach": "Handed out {} beyond the prefetch",
    "failover_miss": "Failed to take {} over in time",
    "retry_schedule": "Tried {} again off the schedule",
    "retry_schedule:too_few": "Gave up {} too soon",
    "retry_schedule:too_many": "Tried {} too often",
    "overflow": "Overflowed with {}",
}
"""What was done to messages, by the kind of a finding, or by kind and detail.

Kinds that are about no messages have their claim alone.
"""
_PROVED_BY = {"acked_before_effect": "lost", "auto_ack": "lost", "effect_before_ack": "duplicated"}
_VERB = re.compile(r"^(?:was|were|is|are|has|have|may|came)\b")
"""A claim that goes on from its messages without a colon."""
_IT = re.compile(r"\bits?\b")


def heading(cause: Record, runs: Sequence[Record]) -> str:
    """Return the heading of a cause of an overview: what, how many, and why; of what is unknown the claim."""
    where = _where(cause)
    what = _WHAT.get(f"{cause['kind']}:{cause['detail']}") or _WHAT.get(cause["kind"])
    claim: str = cause["claim"] or cause["cause"]
    if what is None or not cause["messages"]:
        return f"{where}: {claim}" if where else claim
    noun = "poison message" if cause["kind"].startswith("poison") else "message"
    many = plural(cause["messages"], noun)
    if cause["unknown"]:
        claim = in_plural(claim, _of(cause, runs)) if cause["messages"] > 1 else claim
        colon = "" if _VERB.match(claim) else ":"
        return f"{many}{colon} {claim}{f' ({where})' if where else ''}"
    within = f" in {where}" if where else ""
    return f"{what.format(many)}{within}: {_why(cause, runs)}"


def told_in(head: str, cause: str) -> bool:
    """Whether a heading has told a cause already, as it is or in the words of a heading."""
    said = {cause, cause.replace("each of ", "one of ", 1)}
    said |= {behind(cause, them=them) for them in (False, True)} if cause.startswith("no fault ") else set()
    return any(each in head for each in said)


def _where(cause: Record) -> str:
    if len(cause["scenarios"]) > 1:
        return f"{plural(len(cause['scenarios']), 'scenario')}, one cause"
    return plural(len(cause["runs"]), "run") if len(cause["runs"]) > 1 else ""


def _why(cause: Record, runs: Sequence[Record]) -> str:
    """Return the hazard that the runs prove, else the cause that is more than its fault, else what is claimed."""
    first = runs[cause["runs"][0]]
    findings = [each for each in first["findings"] if is_of(each, first, cause)]
    for finding in findings:
        for hazard in proofs(finding, first) if finding["detail"] != "in_transit" else ():
            return str(hazard["claim"]).partition(": ")[0]
    several = cause["messages"] > 1
    if why := without_faults(cause["cause"], first):
        if why.startswith("no fault "):
            return behind(why, them=several)
        return _of_each(why) if several else why
    claim: str = cause["claim"] or (findings[0]["claim"] if findings else cause["kind"].replace("_", " "))
    head, colon, tail = claim.partition(": ")
    why = tail if colon and "`" not in head else claim
    if several:
        return in_plural(why, _of(cause, runs)) if _VERB.match(why) else _of_each(why)
    return why


def _of(cause: Record, runs: Sequence[Record]) -> Record:
    """Return the first finding that a cause stands for, which knows its messages; else the cause."""
    first = runs[cause["runs"][0]]
    return next((each for each in first["findings"] if is_of(each, first, cause)), cause)


def _of_each(why: str) -> str:
    """Return why it came so with several messages, where the words are about one."""
    if not _IT.search(why.partition(": ")[0]):
        return why
    return f"each: {why.replace('each of ', 'one of ', 1)}"


def proofs(finding: Record, run: Record) -> Iterator[Record]:
    """Yield the hazards of a run that a finding proves: by a fault it came about in just that way."""
    named = set(finding["messages"])
    for hazard in run["hazards"] if finding["fault"] is not None else ():
        fits = hazard["confirmed"] and finding["kind"] == _PROVED_BY.get(hazard["kind"])
        if fits and named & set(hazard["messages"]):
            yield hazard
