"""Annotations of a GitHub job: what broke, once for each cause, at the line of the fault that showed it.

GitHub shows ten of a kind for each step and other tools want theirs too: three are enough to know where to look, the
summary of the job has the rest. The form is that of its workflow commands: `::error file=...,line=...::message`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_mqchaos.model.printable import printable
from pytest_mqchaos.report.causes import is_of
from pytest_mqchaos.report.states import told, told_by

__all__ = ["MOST", "annotated"]

MOST = 3
_LONGEST = 600
_LEVELS = {"failed": "error", "unknown": "warning"}

Record = Mapping[str, Any]


def annotated(document: Record, places: Mapping[tuple[str, int], tuple[str, int]]) -> list[str]:
    """Return at most `MOST` lines for the job's log, the worst cause first.

    Args:
        document: of this version.
        places: file and line of the faults, by node id and attempt of their run.
    """
    return list(_annotations(document, places))[:MOST]


def _annotations(document: Record, places: Mapping[tuple[str, int], tuple[str, int]]) -> Iterator[str]:
    runs, told = document["runs"], set[int]()
    for cause in document["overview"]["causes"]:
        numbers = [n for n in cause["runs"] if runs[n]["state"] == cause["state"] and n not in told]
        if cause["state"] in _LEVELS and numbers:
            run = runs[numbers[0]]
            told.add(numbers[0])
            where = places.get((run["nodeid"], run["attempt"]))
            yield f"::{_LEVELS[cause['state']]} {_properties(run, where)}::{_message(cause, run)}"


def _properties(run: Record, where: tuple[str, int] | None) -> str:
    known = {} if where is None else {"file": where[0], "line": str(where[1])}
    known["title"] = f"{run['test']} under {run['scenario']}"
    return ",".join(f"{name}={_escaped(value, of_property=True)}" for name, value in known.items())


def _message(cause: Record, run: Record) -> str:
    lines = [
        _happened(cause, run),
        f"mend: {cause['mend']}" if cause["mend"] else "",
        f"again: {run['reproduce']}",
    ]
    return "%0A".join(_escaped(line) for line in lines if line)


def _happened(cause: Record, run: Record) -> str:
    """Return what happened by this cause: the run may be told by a graver one, which has another mend."""
    findings = [each for each in told_by(run) if is_of(each, run, cause)]
    return f"{told(findings[0], run)}." if findings else str(run["happened"])


def _escaped(text: str, *, of_property: bool = False) -> str:
    """Return a text as GitHub's runner reads it back; no character of it ends the command or begins another."""
    text = printable(text, _LONGEST).replace("%", "%25")
    return text.replace(":", "%3A").replace(",", "%2C") if of_property else text
