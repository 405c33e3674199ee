"""The document of a session: one versioned JSON that every renderer, dashboard and script reads.

```
account ──run_record──► run ─┐
account ──run_record──► run ─┼─ document ──► write ──► mqchaos-report/report.json
error ────run_record──► run ─┘
```
A run is plain JSON from the start, so that it crosses from a worker to the controller as it is. The schema is
a file of the package; its version is the document's own, and within 1.x fields are only added.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_mqchaos.model.account import Account
from pytest_mqchaos.model.findings import Finding, Hazard
from pytest_mqchaos.model.lives import Life
from pytest_mqchaos.model.printable import body_text, masked
from pytest_mqchaos.model.sequences import FaultRecord

__all__ = ["SCHEMA_VERSION", "document", "run_record", "schema", "write"]

SCHEMA_VERSION = "1.0"
_MESSAGES = 1000
"""Most ids that a finding lists; `count` says how many there are."""
_LIVES = 25
_STEPS = 200
_BODY = 256
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
    """
    run: dict[str, Any] = {
        "nodeid": nodeid,
        "attempt": attempt,
        "scenario": scenario or "baseline",
        "outcome": outcome,
        **_not_judged(error),
        "seed": seed,
        "reproduce": reproduce,
        "error": error,
    }
    if account is not None:
        run |= _judged(account) | {"scenario": scenario or account.scenario}
    plain: dict[str, Any] = _plain(run)
    return plain


def _not_judged(error: str | None) -> dict[str, Any]:
    """Return what stands in a run without an account: the same fields, and nothing in them."""
    return {
        "verdict": None,
        "failed": error is not None,
        "summary": error or "",
        "guarantee": None,
        "evidence": None,
        "counts": dict.fromkeys(_COUNTS, 0),
        "findings": [],
        "hazards": [],
        "faults": [],
        "timings": {},
        "lives": [],
        "notes": [],
        "allow": {},
        "unmatched_allow": [],
    }


def _judged(account: Account) -> dict[str, Any]:
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
        "faults": [_fault(each) for each in account.faults],
        "timings": {name: round(seconds, 6) for name, seconds in account.timings.items()},
        "lives": [_life(life) for life in _offending(account)],
        "notes": list(account.notes),
        "allow": dict(account.allow),
        "unmatched_allow": list(account.unmatched_allow),
    }


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


def _offending(account: Account) -> list[Life]:
    """Return the lives that a reader wants to see: a few of each finding, violations first."""
    findings = [*account.violations, *account.undecided]
    ids: dict[str, None] = {}
    for each in findings:
        ids.update(dict.fromkeys(each.messages[: max(_LIVES // len(findings), 5)]))
    return [account.lives.of(name) for name in list(ids)[:_LIVES]]


def _life(life: Life) -> dict[str, Any]:
    steps = life.events
    return {
        "id": life.id,
        "number": life.number,
        "key": life.key,
        "queue": life.queue,
        "poison": life.poison,
        "size": len(life.body),
        "body": body_text(life.body, _BODY),
        "body_hex": "" if "://" in body_text(life.body, 4 * _BODY) else life.body[:_BODY].hex(),
        "events": [
            {"at": round(step.seconds, 6), "text": step.text, "note": step.note} for step in steps[:_STEPS]
        ],
        "events_left_out": max(len(steps) - _STEPS, 0),
    }


def document(
    runs: Iterable[Mapping[str, Any]], servers: Mapping[str, Any], plugin: str, started: str
) -> dict[str, Any]:
    """Return the document of a session.

    Args:
        runs: what `run_record` returned, in the order of the tests.
        servers: what the runs ran on, by name (`rabbitmq`, `toxiproxy`): version, kind, address.
        plugin: the plugin's version.
        started: when the session began, ISO 8601 with its offset from UTC.
    """
    plain: dict[str, Any] = _plain(
        {
            "schema": SCHEMA_VERSION,
            "plugin": plugin,
            "started": started,
            "servers": dict(servers),
            "runs": list(runs),
        }
    )
    return plain


def write(directory: Path, document: Mapping[str, Any]) -> Path:
    """Write the document as `report.json` into `directory`, whole or not at all, and return its path.

    Raises:
        OSError: if the directory cannot be made or written to; nothing half-written stays.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "report.json"
    part = directory / f".report-{os.getpid()}.json"
    try:
        with part.open("w", encoding="ascii") as file:
            json.dump(document, file, indent=1, allow_nan=False)
            file.write("\n")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) that every document of this version obeys."""
    path = Path(__file__).with_name(f"schema-{SCHEMA_VERSION}.json")
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def _plain(value: object) -> Any:
    """Return a value as JSON has it: keys are text, no credentials in any URL, nothing infinite."""
    if isinstance(value, str):
        return masked(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {masked(str(key)): _plain(each) for key, each in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes | bytearray):
        return [_plain(each) for each in value]
    return masked(str(value))
