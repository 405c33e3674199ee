"""Blind: what the canary planted was not found, so nothing of its kind would be.

```
 planted                               found                       not found
 one delivery, withheld and acked      lost: information           blind:lost
 one effect, counted twice             duplicated: information     blind:duplicated
```
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pytest_mqchaos.checks import duplicated, lost
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.findings import Finding

__all__ = ["PLANTED", "check", "note", "spared"]

PLANTED = "planted"
"""The detail of a finding that is of our own making."""
_CLAIMS = {
    "lost": "planted by the canary: its delivery was withheld, and acknowledged by the wire",
    "duplicated": "planted by the canary: its effect was counted twice",
}


def check(case: Case) -> list[Finding]:
    """Find what was planted and was not found, and say why."""
    return [
        Finding(
            kind="blind",
            detail=kind,
            messages=(message,),
            claim=f"{_CLAIMS[kind]}, and it is not among what was {kind}",
            cause=why,
            mend=mend,
            violation=case.guarantee.counts(kind),
        )
        for kind, message, found in (
            ("lost", _withheld(case), lost.check),
            ("duplicated", _doubled(case), duplicated.check),
        )
        if message and not any(message in one.messages and not one.unknown for one in found(case))
        for why, mend in [_why(case, kind, message)]
    ]


def spared(case: Case, findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings, the planted ones by themselves: they are information, and no violation."""
    told: list[Finding] = []
    # An effect is counted twice wherever a canary flies, also where nothing could be withheld: a vacuous run.
    planted = {"lost": _withheld(case), "duplicated": "" if _number(case) is None else case.planted.doubled}
    for finding in findings:
        message = planted.get(finding.kind, "")
        if not message or message not in finding.messages or finding.unknown:
            told.append(finding)
            continue
        rest = tuple(name for name in finding.messages if name != message)
        if rest:
            told.append(replace(finding, messages=rest, count=None))
        told.append(Finding(kind=finding.kind, detail=PLANTED, messages=(message,), information=True,
                            claim=_CLAIMS[finding.kind], fault=_number(case)))  # fmt: skip
    return told


def note(case: Case, findings: Sequence[Finding]) -> tuple[str, ...]:
    """Say what the canary planted, and what of it was found; nothing where there is no canary."""
    plants = (("lost", _withheld(case)), ("duplicated", _doubled(case)))
    missed = {one.detail for one in findings if one.kind == "blind"}
    told = [
        f"{message} {kind}: {'not found' if kind in missed else 'found'}"
        for kind, message in plants
        if message
    ]
    return (f"canary, planted by the plugin itself: {'; '.join(told)}",) if told else ()


def _number(case: Case) -> int | None:
    return next((number for number, fault in enumerate(case.faults) if fault.kind == "canary"), None)


def _withheld(case: Case) -> str:
    """The message whose delivery was withheld; empty if none was, which is vacuous."""
    number = _number(case)
    strikes = [one.event for one in case.ledger.surroundings.strikes if one.event.fault == number]
    return next((one.message for one in strikes if one.message), "") if number is not None else ""


def _doubled(case: Case) -> str:
    """The message whose effect was to be counted twice, once it has one."""
    record = case.ledger.records.get(case.planted.doubled)
    seen = case.evidence != "effects" or (record is not None and record.effects > 0)
    return case.planted.doubled if seen and _withheld(case) else ""


def _why(case: Case, kind: str, message: str) -> tuple[str, str]:
    """Why this run cannot see what was planted, and what would mend it."""
    if case.evidence == "broker":
        return (
            "by evidence='broker' an acknowledged message counts as worked on: it is the broker's view",
            "name where the work shows: mqchaos.effects(...), or probe.effect(id) in the consumer",
        )
    if case.evidence == "unknown":
        return (
            "no source of effects is named, and none was seen",
            "name where the work shows: mqchaos.effects(...), or probe.effect(id) in the consumer",
        )
    record = case.ledger.records[message]
    if kind == "duplicated" and case.planted.single:
        return (
            f"the effects source {case.planted.single} holds each entry once, as a set does",
            "return every effect with its repetitions: a list of rows, or a dict of ids to counts",
        )
    if kind == "duplicated":
        return (
            f"{record.effects} effects are what expect={record.message.expect} allows",
            "say how many effects a message should have: publish(..., expect=...)",
        )
    if record.effects:
        return (
            "its effect shows, though no consumer was given it: the source is not of this run's work",
            "name a source that only the consumer writes to, empty before each test",
        )
    return (
        f"expect={record.message.expect}: no effect is missed",
        "say how many effects a message should have: publish(..., expect=...)",
    )
