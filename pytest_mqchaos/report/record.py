"""The record of one run: its account as plain JSON, so that it crosses from a worker to the controller as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_mqchaos.model.account import Account
from pytest_mqchaos.model.findings import Finding, Hazard
from pytest_mqchaos.model.guarantees import Guarantee
from pytest_mqchaos.model.lives import Life
from pytest_mqchaos.model.messages import digest
from pytest_mqchaos.model.printable import body_text, printable
from pytest_mqchaos.model.sequences import FaultRecord
from pytest_mqchaos.model.story import Step
from pytest_mqchaos.report.figures import NOTHING, figures
from pytest_mqchaos.report.overheard import overheard
from pytest_mqchaos.report.plain import plain

__all__ = ["run_record"]

_MESSAGES = 1000
"""Most ids that a finding lists; `count` says how many there are."""
_LIVES = 40
_PANELS = ("within", "retry", "failover", "prefetch", "overflow")
"""Figures that name messages."""
_FIRST, _LAST = 150, 50
"""Steps of a life that are told: how it began, and how it ended."""
_BODY = 256
_HEADERS, _HEADER = 20, 200
"""Most headers of a message, and most characters of one's name and value."""
_COUNTS = (
    "published",
    "confirmed",
    "effected",
    "lost",
    "duplicated",
    "redelivered",
    "unacknowledged",
    "dead_lettered",
    "poison",
)


def run_record(
    account: Account | None,
    *,
    nodeid: str,
    attempt: int,
    outcome: str,
    reproduce: str,
    scenario: str = "",
    error: str | None = None,
    seed: int | None = None,
    reason: str = "",
    settings: Mapping[str, Any] | None = None,
    promised: Guarantee | None = None,
    bodies: str = "full",
) -> dict[str, Any]:
    """Return one run as plain JSON.

    Args:
        account: what became of the messages; None where no verdict could be given.
        nodeid: of the test.
        attempt: from 1; a rerun of the same test has the next number.
        outcome: pytest's: `passed`, `failed`, `skipped`, `error`, `xfailed`, `xpassed`, `rerun`.
        reproduce: a whole command line that repeats the run.
        scenario: the scenario's id; by default the account's.
        error: why no verdict could be given, or what the test itself failed with, in a line.
        seed: of the run, where there is no account to tell it.
        reason: why it was skipped.
        settings: what held for this test, by name.
        promised: what the test promises, where there is no account to tell it.
        bodies: what is told of the bodies of messages: `none`, `digest` or `full`.
    """
    run: dict[str, Any] = {
        "nodeid": nodeid,
        "attempt": attempt,
        "scenario": scenario or "baseline",
        "outcome": outcome,
        "verdict": None,
        "failed": error is not None,
        "summary": error or "",
        "guarantee": None if promised is None else promised.name,
        "evidence": None,
        "seed": seed,
        "reproduce": reproduce,
        "error": error,
        "counts": dict.fromkeys(_COUNTS, 0),
        "findings": [],
        "hazards": [],
        "faults": [],
        "timings": {},
        "lives": [],
        "lives_left_out": 0,
        "notes": [],
        "canary": False,
        "allow": {},
        "unmatched_allow": [],
        "promise": "" if promised is None else promised.promise,
        "reason": reason,
        "settings": dict(settings or {}),
        **NOTHING,
    }
    del run["strikes"]
    if account is not None:
        run |= _judged(account, bodies) | {"scenario": scenario or account.scenario}
    record: dict[str, Any] = plain(run)
    return record


def _judged(account: Account, bodies: str) -> dict[str, Any]:
    made, notes = _figures(account)
    struck = made.pop("strikes")
    told, left_out = _offending(account, made)
    return {
        "verdict": account.verdict,
        "failed": account.failed,
        "summary": account.summary,
        "guarantee": account.guarantee,
        "evidence": account.case.evidence,
        "seed": account.seed,
        "counts": account.counts,
        "findings": [_finding(each) for each in account.findings],
        "hazards": [_hazard(each, account) for each in account.hazards],
        "faults": [_fault(each) | more for each, more in zip(account.faults, struck, strict=True)],
        "timings": {name: round(seconds, 6) for name, seconds in account.timings.items()},
        "lives": [_life(life, bodies, made["consumers"]) for life in told],
        "lives_left_out": left_out,
        "notes": [*account.notes, *notes],
        "canary": account.canary,
        "allow": dict(account.allow),
        "unmatched_allow": list(account.unmatched_allow),
        "promise": account.case.guarantee.promise,
        **made,
    }


def _figures(account: Account) -> tuple[dict[str, Any], list[str]]:
    """Return the figures of a run and what a reader should know of them: a verdict is never lost for their want."""
    try:
        return figures(account), []
    except Exception as error:
        nothing: dict[str, Any] = {"struck": [], "recovery": None, "resumed": None}
        without = {**NOTHING, "strikes": [nothing for _ in account.faults]}
        return without, [f"no figures of this run: {type(error).__name__}: {error}"]


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "detail": finding.detail,
        "violation": finding.violation,
        "unknown": finding.unknown,
        "allowed": finding.allowed,
        "count": max(finding.count or 0, len(finding.messages)),
        "messages": list(finding.messages[:_MESSAGES]),
        "claim": finding.claim,
        "cause": finding.cause,
        "mend": finding.mend,
        "fault": finding.fault,
        **({"source": finding.source} if finding.source else {}),
        "how_to_allow": finding.how_to_allow,
    }


def _hazard(hazard: Hazard, account: Account) -> dict[str, Any]:
    return {
        "kind": hazard.kind,
        "claim": hazard.claim,
        "consumer": hazard.consumer,
        "count": max(hazard.count, len(hazard.messages)),
        "messages": list(hazard.messages[:_MESSAGES]),
        "confirmed": hazard.confirmed,
        "mend": hazard.mend,
        "allowed": account.reason_to_allow(hazard.kind, "*"),
    }


def _fault(fault: FaultRecord) -> dict[str, Any]:
    return {
        "kind": fault.kind,
        "description": fault.description,
        "target": fault.target,
        "armed": fault.armed,
        "fired": fault.fired,
        "changed": fault.changed,
        "at": fault.at,
        "healed": fault.healed,
        "strikes": fault.strikes,
        "message": fault.message,
        "trigger": fault.trigger,
        "actor": fault.actor,
    }


def _offending(account: Account, made: Mapping[str, Any]) -> tuple[list[Life], int]:
    """Return the lives that a reader wants to see, some of each, violations first; and how many more there are.

    What a panel names is among them: the latest of many, say, are not the first.
    """
    findings = [*account.violations, *account.undecided]
    named = {name for each in findings for name in each.messages}
    ids: dict[str, None] = {}
    for each in findings:
        ids.update(dict.fromkeys(each.messages[:5]))
    for panel in (made[which] for which in _PANELS if made[which] is not None):
        ids.update(dict.fromkeys(row["message"] for row in panel["told"] if row["message"] in named))
    for each in findings:
        ids.update(dict.fromkeys(each.messages[: max(_LIVES // len(findings), 5)]))
    for each in findings:
        ids.update(dict.fromkeys(each.messages[:_LIVES]))
    told = [account.lives.of(name) for name in list(ids)[:_LIVES]]
    return told, len(named) - len(told)


def _life(life: Life, bodies: str, consumers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    steps = life.events
    whole = len(steps) <= _FIRST + _LAST
    told = [_step(step) for step in (steps if whole else (*steps[:_FIRST], *steps[-_LAST:]))]
    body = body_text(life.body, _BODY) if bodies == "full" else ""
    gap = None if whole else _FIRST
    return {
        "id": life.id,
        "number": life.number,
        "key": life.key,
        "queue": life.queue,
        "poison": life.poison,
        "size": len(life.body),
        "digest": "" if bodies == "none" or life.message is None else life.message.digest,
        "body": body,
        "body_hex": "" if not body or "://" in body_text(life.body, 4 * _BODY) else life.body[:_BODY].hex(),
        "headers": [] if bodies == "none" else _headers(life, full=bodies == "full"),
        "events": told,
        "events_left_out": len(steps) - len(told),
        "events_gap": gap,
        "output": overheard(told, consumers, gap),
    }


def _headers(life: Life, *, full: bool) -> list[dict[str, str]]:
    headers = () if life.message is None else life.message.headers
    return [
        {
            "name": printable(name, _HEADER),
            "digest": digest(value.encode(errors="surrogatepass")),
            "value": printable(value, _HEADER) if full else "",
        }
        for name, value in headers[:_HEADERS]
    ]


def _step(step: Step) -> dict[str, Any]:
    return {
        "at": round(step.seconds, 6),
        "text": step.text,
        "note": step.note,
        "kind": step.kind,
        "where": step.where,
    }
