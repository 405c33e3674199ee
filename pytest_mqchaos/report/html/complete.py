"""A document of an earlier 1.x, completed: every field of this version is there, empty where nobody wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_mqchaos.report.document import document
from pytest_mqchaos.report.figures import NOTHING

__all__ = ["complete"]

_RUN: Mapping[str, Any] = {
    "promise": "",
    "reason": "",
    "settings": {},
    **{name: value for name, value in NOTHING.items() if name != "strikes"},
}
_FAULT: Mapping[str, Any] = {"recovery": None, "resumed": None, "struck": []}
_STEP: Mapping[str, Any] = {"kind": "", "where": ""}


def complete(known: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the document with every field of this version; one of this version comes back as it is."""
    if "overview" in known:
        return known
    return document(
        [_run(run) for run in known["runs"]],
        known["servers"],
        known["plugin"],
        known["started"],
        finished=known.get("finished", ""),
    ) | {"schema": known["schema"]}


def _run(run: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_RUN,
        **run,
        "faults": [{**_FAULT, **fault} for fault in run["faults"]],
        "lives": [
            {
                "digest": "",
                "events_gap": None,
                **life,
                "events": [{**_STEP, **step} for step in life["events"]],
            }
            for life in run["lives"]
        ],
    }
